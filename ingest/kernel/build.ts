/** `node ingest/kernel/build.ts` makes kernel-code.ts anew after a change of a part; a test notices when that was forgotten. */
import { buildKernel } from '../../base/build-kernel.ts'
import { KERNEL_PARTS } from './kernel-parts.ts'

buildKernel(import.meta.dirname, KERNEL_PARTS)
