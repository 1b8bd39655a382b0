/** `node alerts/kernel/build.ts` makes kernel-code.ts anew after a change of words.as; a test notices when that was forgotten. */
import { buildKernel } from '../../base/build-kernel.ts'

buildKernel(import.meta.dirname, ['words.as'])
