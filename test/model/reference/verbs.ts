/** The verbs of a part of the store, answered at once. */
export type Verbs<Part> = {
  [Verb in keyof Part]: Part[Verb] extends (...args: infer Args) => Promise<infer Answer>
    ? (...args: Args) => Answer
    : never
}
