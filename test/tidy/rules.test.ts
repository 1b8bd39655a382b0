import { deepEqual, equal, match } from 'node:assert/strict'
import { test } from 'node:test'
import { deadFiles, importCycles, missingTargets, strayVendors, wrongDirections } from './layer-rules.ts'
import { importsOf, splitSource } from './source-text.ts'
import { type SourceModule, sourceModule } from './source-tree.ts'
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

/** A rule that cannot fail is no rule: each is shown a tree that breaks it, and one beside it that does not. */
function finds(rule: (modules: readonly SourceModule[]) => string[], bad: Tree, good: Tree): void {
  const modulesOf = (tree: Tree) => Object.entries(tree).map(([path, text]) => sourceModule(path, text))
  equal(rule(modulesOf(bad)).length, 1, JSON.stringify(rule(modulesOf(bad))))
  deepEqual(rule(modulesOf(good)), [])
}
type Tree = Readonly<Record<string, string>>

test('a lower layer that imports a higher one is found', () => {
  finds(
    wrongDirections,
    { 'storage/a.ts': "import { x } from '../cluster/b.ts'\n", 'cluster/b.ts': '' },
    { 'storage/a.ts': "import { x } from '../base/b.ts'\n", 'base/b.ts': '' },
  )
  finds(
    wrongDirections,
    { 'api/a.ts': "import type { X } from '../actors/shard-writer.ts'\n" },
    { 'api/a.ts': "import type { X } from '../actors/messages/shard.ts'\n" },
  )
  finds(wrongDirections, { 'utils/a.ts': '' }, { 'base/a.ts': '' })
  finds(
    wrongDirections,
    { 'node/a.ts': "await import('../test/b.ts')" },
    { 'test/a.ts': "await import('../node/b.ts')" },
  )
})

test('a vendor package outside its adapter is found', () => {
  const text = "import { open } from 'lmdb'\n"
  finds(strayVendors, { 'storage/head.ts': text }, { 'storage/lmdb-kv.ts': text, 'cluster/lmdb-journal-log.ts': text })
  finds(strayVendors, { 'base/a.ts': "import x from 'left-pad'\n" }, { 'base/a.ts': "import x from 'node:fs'\n" })
})

test('an import of nothing is found', () => {
  finds(missingTargets, { 'base/a.ts': "import './b.ts'\n" }, { 'base/a.ts': "import './b.ts'\n", 'base/b.ts': '' })
})

test('a circle of imports is found, also through a worker', () => {
  finds(
    importCycles,
    {
      'base/a.ts': "import { b } from './b.ts'\n",
      'base/b.ts': "export const url = new URL('./c.ts', import.meta.url)\n",
      'base/c.ts': "export { a } from './a.ts'\n",
    },
    { 'base/a.ts': "import './b.ts'\nimport './c.ts'\n", 'base/b.ts': "import './c.ts'\n", 'base/c.ts': '' },
  )
})

test('a circle of types is none', () => {
  const bad = { 'base/a.ts': "import { type B, b } from './b.ts'\n", 'base/b.ts': "import { a } from './a.ts'\n" }
  const good = { ...bad, 'base/b.ts': "import { type A, type C } from './a.ts'\n" }
  finds(importCycles, bad, good)
})

test('a module that nothing leads to is found', () => {
  const main = { 'node/main.ts': "import '../base/a.ts'\n", 'base/a.ts': '' }
  finds(deadFiles, { ...main, 'base/b.ts': '' }, main)
})

test('names, lengths, barrels and stray tests are found', () => {
  finds(unkebabNames, { 'base/clockFace.ts': '' }, { 'base/clock-face.ts': '', 'test/a-b.test.ts': '' })
  finds(
    longFiles,
    { 'base/a.ts': 'x\n'.repeat(501) },
    { 'base/a.ts': 'x\n'.repeat(500), 'test/a.ts': 'x\n'.repeat(501) },
  )
  finds(barrels, { 'base/a.ts': "export * from './b.ts'\n" }, { 'base/a.ts': 'export const a = 1\n' })
  finds(strayUnitTests, { 'test/unit/base/a.test.ts': '' }, { 'test/unit/base/a.test.ts': '', 'base/a.ts': '' })
})

const banned = [
  'export default 1',
  'export const enum A { x }',
  'function f(x: any) {}',
  'const x = y as any',
  'const x: Array<any> = []',
  'const t = Date.now()',
  'const t = new Date()',
  'setTimeout(f, 1)',
  'const r = Math.random()',
  '// TODO later',
  '/* @ts-ignore */',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a module in a string
  'const t = `${`}`} ${Date.now()}`',
  'const r = /[\'"]/.test(x) ? Date.now() : 0',
]
for (const text of banned) test(`found: ${text}`, () => finds(bannedText, { 'node/a.ts': text }, { 'node/a.ts': '' }))

test('tests that do not run are found', () => {
  finds(bannedText, { 'test/a.test.ts': "test.skip('x', f)" }, { 'test/a.test.ts': "test('skip: x', f)" })
  finds(bannedText, { 'test/a.test.ts': "test('x', { skip: true }, f)" }, { 'test/a.test.ts': "test('x', {}, f)" })
})

const harmless = [
  "const text = 'Date.now() and any TODO'",
  '/** Math.random is never called; any caller knows. */',
  'const t = new Date(ms)',
  'const half = total / 2 // Date.now() / 2',
  'const pattern = /setTimeout\\(/',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a module in a string
  'const t = `Date.now() ${x} setTimeout`',
  'if (list.any(x)) f()',
]
for (const text of harmless) {
  test(`harmless: ${text}`, () => deepEqual(bannedText([sourceModule('node/a.ts', text)]), []))
}

test('every form of import is seen, and none in a comment', () => {
  const text = [
    "import 'a'",
    "import type { B } from 'b'",
    "import {\n  c,\n  type C,\n} from 'c'",
    "export { d } from 'd'",
    "const e = await import('e')",
    "const f = new URL('./f.ts', import.meta.url)",
    "// import 'x'",
    "/* import y from 'y' */",
  ].join('\n')
  const seen = importsOf(splitSource(text))
  deepEqual(seen.map(({ specifier }) => specifier).sort(), ['./f.ts', 'a', 'b', 'c', 'd', 'e'])
  deepEqual(
    seen.filter(({ isTypeOnly }) => isTypeOnly).map(({ specifier }) => specifier),
    ['b'],
  )
})

test('a split keeps every character in its place', () => {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a module in a string
  const text = 'const a = `x ${ { b: "}" }.b } // y` // z\nconst c = 1 / 2 /* d */ / 3\n'
  const { code, codeAndStrings, comments } = splitSource(text)
  for (const part of [code, codeAndStrings, comments]) equal(part.length, text.length)
  equal(codeAndStrings.trimEnd(), text.replace('// z', '    ').replace('/* d */', '       ').trimEnd())
  equal(comments.replace(/\s+/g, ' ').trim(), '// z /* d */')
})

test('traces of a machine are found', () => {
  const home = ['', 'home', 'me', 'x'].join('/')
  const mirror = ['https:/', 'npm.corp.example', 'x'].join('/')
  match(machineTraces(new Map([['a.md', `see ${home}`]]))[0]!, /^a\.md:1: path/)
  match(machineTraces(new Map([['a.md', `\n${mirror}`]]))[0]!, /^a\.md:2: registry/)
  deepEqual(machineTraces(new Map([['a.md', 'see https://github.com/x and ./home/me']])), [])
})

test('packages from elsewhere, missing ones and loose versions are found', () => {
  const locked = (resolved: string, integrity?: string) =>
    lockProblems(JSON.stringify({ packages: { '': {}, a: { resolved, integrity } } })).length
  const official = ['https:/', 'registry.npmjs.org', 'a.tgz'].join('/')
  deepEqual([locked(official, 'sha512-x'), locked(official), locked('https://a.example/a.tgz', 'sha512-x')], [0, 1, 1])
  equal(lockProblems(JSON.stringify({ packages: { '': { optionalDependencies: { a: '1.0.0' } } } })).length, 1)
  const versioned = (version: string) => looseVersions(JSON.stringify({ dependencies: { a: version } })).length
  deepEqual(['1.2.3', 'npm:@a/b@1.2.3', '^1.2.3', '1.2', '*', 'npm:@a/b@^1.2.3'].map(versioned), [0, 0, 1, 1, 1, 1])
})

test('broken links, incomplete decisions and unknown rules are found', () => {
  const pages = (text: string) => new Map([['docs/a.md', text]])
  deepEqual(brokenLinks(pages('[x](a.md) [y](../docs) [z](https://example.com)')), [])
  equal(brokenLinks(pages('[x](b.md)')).length, 1)
  const named = (text: string) =>
    staleNames(
      new Map([
        ['a.md', text],
        ['base/b.ts', ''],
      ]),
    ).length
  deepEqual([named('see `base/b.ts`, base/ and `base/*.ts`.'), named('see base/c.ts')], [0, 1])
  const record = '# 0001. X\n## Context\n## Decision\n## Rejected options\n## Consequences\n'
  const decisions = (name: string, text: string) =>
    decisionProblems(
      new Map([
        ['docs/adr/README.md', '[x](0001-x.md)'],
        [`docs/adr/${name}`, text],
      ]),
    ).length
  deepEqual([decisions('0001-x.md', record), decisions('0001-x.md', '# 0001. X\n')], [0, 4])
  equal(decisions('0002-y.md', record), 2)
  deepEqual(unknownRules(pages('as J2 says'), '- **J2** one frame'), [])
  equal(unknownRules(pages('as J3 says'), '- **J2** one frame').length, 1)
})
