import { deepEqual, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { ERROR_CATALOGUE } from '../../base/errors.ts'
import { METRIC_CATALOGUE } from '../../base/metric-catalogue.ts'
import { generatedFiles } from '../../node/cli/reference-docs.ts'
import { SETTING_KEYS, settingSpec } from '../../node/config.ts'
import { deadFiles, importCycles, missingTargets, packageOf, strayVendors, wrongDirections } from './layer-rules.ts'
import { shippedFiles, sourceModules } from './source-tree.ts'
import { bannedText, barrels, longFiles, strayUnitTests, unkebabNames } from './style-rules.ts'
import {
  brokenLinks,
  decisionProblems,
  lockProblems,
  looseVersions,
  machineTraces,
  staleNames,
  unknownRules,
} from './text-rules.ts'

const modules = sourceModules()
const files = shippedFiles()
const textOf = (path: string) => files.get(path) ?? ''

const moduleRules = {
  'imports follow the order of the layers': wrongDirections,
  'each vendor package is imported in its adapter only': strayVendors,
  'imported files exist': missingTargets,
  'no modules import each other in a circle': importCycles,
  'every module is reached from the program, a script, a bench or a test': deadFiles,
  'no module has more than 500 lines': longFiles,
  'modules are named in kebab case': unkebabNames,
  'modules export what they define': barrels,
  'unit tests mirror the tree': strayUnitTests,
  'no default exports, enums, any, ambient time or randomness, unfinished work, tests that do not run': bannedText,
}
for (const [name, rule] of Object.entries(moduleRules)) {
  test(name, () => deepEqual(rule(modules), []))
}

test('nothing shipped names a machine or a package mirror', () => deepEqual(machineTraces(files), []))

test('links of the pages lead somewhere', () => deepEqual(brokenLinks(files), []))

test('files that the pages name exist', () => deepEqual(staleNames(files), []))

test('the map of the architecture is short', () => ok(textOf('ARCHITECTURE.md').split('\n').length <= 200))

test('decision records are numbered, complete and in the index', () => deepEqual(decisionProblems(files), []))

test('every rule that code and pages cite is on the page of rules', () => {
  const comments = modules.map(({ path, comments }): [string, string] => [path, comments])
  const pages = [...files].filter(([path]) => path.endsWith('.md'))
  deepEqual(unknownRules(new Map([...comments, ...pages]), textOf('docs/invariants.md')), [])
})

test('every error code is documented and raised somewhere', () => {
  const page = textOf('docs/errors.md')
  const code = modules
    .filter(({ path }) => !path.startsWith('test/') && path !== 'base/errors.ts')
    .map(({ codeAndStrings }) => codeAndStrings)
    .join('\n')
  const codes = Object.keys(ERROR_CATALOGUE)
  deepEqual(
    codes.filter((name) => !page.includes(`\`${name}\``)),
    [],
  )
  deepEqual(
    codes.filter((name) => !code.includes(`'${name}'`)),
    [],
  )
})

test('every setting that this version offers is read, and every metric is counted', () => {
  const code = modules
    .filter(({ path }) => !/^(?:test|bench)\/|^node\/config\.ts$|^base\/metric-catalogue\.ts$/.test(path))
    .map(({ codeAndStrings }) => codeAndStrings)
    .join('\n')
  const inConfig = modules.find(({ path }) => path === 'node/config.ts')?.codeAndStrings ?? ''
  const isNamed = (name: string) =>
    code.includes(`'${name}'`) || inConfig.includes(`['${name}']`) || new RegExp(`\\.${name}\\b`).test(code)
  const offered = SETTING_KEYS.filter((key) => !settingSpec(key).later)
  deepEqual(
    [...offered, ...Object.keys(METRIC_CATALOGUE)].filter((name) => !isNamed(name)),
    [],
  )
})

test('the types of the UI are those of the interface (npm run docs)', () => {
  const generated = generatedFiles().find(({ path }) => path === 'web/src/api-types.ts')!
  ok(textOf(generated.path) === generated.text, 'web/src/api-types.ts is stale: npm run docs')
})

test('the lock file is whole and names the public registry only', () =>
  deepEqual(lockProblems(textOf('package-lock.json')), []))

test('versions are exact', () => deepEqual(looseVersions(textOf('package.json')), []))

test('what the program imports is what it depends on', () => {
  const { dependencies } = JSON.parse(textOf('package.json')) as { dependencies: Record<string, string> }
  const imported = modules
    .filter(({ path }) => !/^(?:test|bench|web)\//.test(path))
    .flatMap(({ imports }) => imports.map(({ specifier }) => specifier))
    .filter((specifier) => !specifier.startsWith('.') && !specifier.startsWith('node:'))
  deepEqual([...new Set(imported.map(packageOf))].sort(), Object.keys(dependencies).sort())
})
