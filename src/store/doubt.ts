/**
 * Whether the store may have given a process what it does not know of, because an answer was lost. A doubt that comes up
 * while others are being settled is not settled with them: what it is about was known then, and left alone.
 */
export class Doubt {
  #raised = 0
  #settled = 0

  get open(): boolean {
    return this.#raised > this.#settled
  }

  raise(): void {
    this.#raised += 1
  }

  /** @param putBack What the store has and the process does not know of. When it fails, the doubt stays */
  async settle(putBack: () => Promise<unknown>): Promise<void> {
    const raised = this.#raised
    await putBack()
    this.#settled = raised
  }
}
