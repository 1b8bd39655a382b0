import { VALUE_BYTES_MAX } from '../../base/limits.ts'
import { fieldPath } from './field-path.ts'
import { LineGroups } from './line-groups.ts'
import { type ContainerLine, criLine, dockerLine } from './parse/container-line.ts'
import type { PipelineRecord } from './pipeline-record.ts'
import type { Failure, Step, StepKind } from './step.ts'

const TIMESTAMP = fieldPath('timestamp')
const HOST = fieldPath('host')
const STREAM = fieldPath('stream')
const NO_TEXT: Failure = { reason: 'there is no text in the field' }
/** Three bytes a character at most: what is joined still fits a value. */
const JOINED_CHARS_MAX = Math.floor(VALUE_BYTES_MAX / 3)

/**
 * A step that reads lines as a container's runtime writes them: the text takes the place of the line in `field`, the time becomes the record's, the stream
 * its field `stream`. Parts of a line are joined within a request, for each service, host and stream; parts that come in different
 * requests stay apart.
 */
function containerKind(type: string, read: (line: string) => ContainerLine | undefined, noLine: Failure): StepKind {
  return {
    type,
    onError: 'deadLetter',
    compile(parameters) {
      const field = parameters.field('field', 'message')
      const isJoining = parameters.boolean('joinParts', true)
      const forRequest = (): Step => {
        const groups = new LineGroups<undefined>(({ record, pieces }, context) => {
          if (pieces.length > 1) record.setText(field, pieces.join(''))
          context.emit(record)
        })
        return {
          apply(record, context) {
            const text = record.text(field)
            if (text === undefined) return NO_TEXT
            const line = read(text)
            if (line === undefined) return noLine
            if (!isJoining) return setLine(record, line)
            const source = `${record.service() ?? ''}\0${record.text(HOST) ?? record.defaults.hostDefault ?? ''}\0${line.stream}`
            const group = groups.get(source)
            if (group !== undefined && group.chars + line.text.length <= JOINED_CHARS_MAX) {
              group.pieces.push(line.text)
              group.chars += line.text.length
              if (!line.isPartial) groups.close(source, context)
              return 'drop'
            }
            if (group !== undefined) groups.close(source, context)
            setLine(record, line)
            if (!line.isPartial) return 'next'
            groups.open(source, record, line.text, undefined, context)
            return 'hold'
          },
          end: (context) => groups.closeSome(context),
        }
      }
      const setLine = (record: PipelineRecord, line: ContainerLine): 'next' => {
        record.setText(field, line.text)
        record.setText(TIMESTAMP, line.time)
        if (line.stream !== '') record.setText(STREAM, line.stream)
        return 'next'
      }
      return { ...forRequest(), forRequest }
    },
  }
}

/** `{"type":"cri"}`: `2026-11-21T22:14:15.123456789Z stdout F text`, as containerd and CRI-O write. */
const criStep = containerKind('cri', criLine, { reason: 'it is not a line of a CRI log' })
/** `{"type":"docker"}`: `{"log":"text\n","stream":"stdout","time":"…"}`, as Docker's json-file driver writes. */
const dockerStep = containerKind('docker', dockerLine, { reason: "it is not a line of Docker's json-file log" })

export const CONTAINER_STEPS: readonly StepKind[] = [criStep, dockerStep]
