import { Dataset } from './dataset.ts'

const TIME = '"timestamp":"'

/** One body of NDJSON and where in it the times of its records stand. */
interface Stamped {
  readonly bytes: Buffer
  readonly times: readonly number[]
}

/** Bodies as services send them: records of the last moments, the last of them of now. Which of a few bodies it was before, the nodes cannot know. */
export class LiveBodies {
  readonly #bodies: readonly Stamped[]

  constructor(bodies: number, recordsEach: number, seed: number) {
    const dataset = new Dataset({ seed })
    this.#bodies = Array.from({ length: bodies }, () => stamped(Buffer.from(dataset.lines(recordsEach))))
  }

  /** All of them, with old times. */
  all(): Buffer {
    return Buffer.concat(this.#bodies.map(({ bytes }) => bytes))
  }

  /** The `n`th body to be sent, whose records are spread over the last `spanMs`. */
  body(n: number, spanMs: number): Buffer {
    const { bytes, times } = this.#bodies[n % this.#bodies.length]!
    const body = Buffer.from(bytes)
    const nowMs = Date.now()
    let writtenMs = -1
    let text = ''
    for (let i = 0; i < times.length; i++) {
      const timeMs = Math.floor(nowMs - spanMs * (1 - (i + 1) / times.length))
      if (timeMs !== writtenMs) text = new Date(timeMs).toISOString()
      writtenMs = timeMs
      body.write(text, times[i]!, 'latin1')
    }
    return body
  }
}

function stamped(bytes: Buffer): Stamped {
  const times: number[] = []
  for (let at = bytes.indexOf(TIME); at >= 0; at = bytes.indexOf(TIME, at + 1)) times.push(at + TIME.length)
  return { bytes, times }
}
