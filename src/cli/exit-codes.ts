// What a command came to that went well itself, and still is no success. The others are those of sysexits.h, see
// src/errors.ts; 1 is an unexpected failure.

export const JOB_FAILED = 2
export const JOB_CANCELLED = 3
/** `verify`: the signature is not right. */
export const NOT_VERIFIED = 4
/** `doctor` found a problem. */
export const PROBLEMS_FOUND = 5
/** `dead-letters replay --wait`: some could not be replayed, or it was cancelled. */
export const NOT_ALL_REPLAYED = 6
/** As shells have it for a process that SIGINT ended. */
export const INTERRUPTED = 130
