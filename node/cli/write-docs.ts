import { writeFileSync } from 'node:fs'
import { generatedFiles } from './reference-docs.ts'

/** `npm run docs`. */
for (const { path, text } of generatedFiles()) writeFileSync(new URL(`../../${path}`, import.meta.url), text)
