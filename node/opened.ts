interface Closable {
  close(): unknown
}

/** What was opened one on top of another: closed together, the last first. */
export class Opened {
  readonly #parts: Closable[] = []

  /** What `open` makes of the parts that it adds; when it fails, they are closed again. */
  static async all<T>(open: (opened: Opened) => Promise<T>): Promise<T> {
    const opened = new Opened()
    try {
      return await open(opened)
    } catch (error) {
      await opened.close()
      throw error
    }
  }

  add<T extends Closable>(part: T): T {
    this.#parts.push(part)
    return part
  }

  async close(): Promise<void> {
    for (let part = this.#parts.pop(); part !== undefined; part = this.#parts.pop()) await part.close()
  }
}
