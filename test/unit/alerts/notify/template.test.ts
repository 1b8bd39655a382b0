import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { AlertNotification } from '../../../../alerts/notify/notification.ts'
import { checkTemplate, renderTemplate } from '../../../../alerts/notify/template.ts'
import { ALERT_TEMPLATE_NODES_MAX } from '../../../../base/notify-limits.ts'
import { notificationOf } from '../../../harness/alert-notification.ts'

const JSON_TYPE = 'application/json'

function render(template: string, changes = {}, contentType = 'text/plain'): string {
  checkTemplate(template, contentType)
  return renderTemplate(template, contentType, notificationOf(changes))
}

function renderJson(template: string, changes: Partial<AlertNotification>): string {
  return renderTemplate(template, JSON_TYPE, notificationOf(changes))
}

function refused(template: string, pattern: RegExp, contentType = 'text/plain'): void {
  assert.throws(
    () => checkTemplate(template, contentType),
    (error: Error & { code?: string }) => {
      assert.equal(error.code, 'invalid_parameter')
      assert.match(error.message, pattern)
      return true
    },
  )
}

describe('A template', () => {
  test('names values', () => {
    assert.equal(render('{{ rule.name }}: {{value}} ({{condition}})'), 'Checkout errors: 132 (count > 100 in 5m)')
    assert.equal(render('{{group.region}} {{rule.labels.team}} {{group.none}}'), 'eu-1 payments ')
    assert.equal(render('{{resolvedAt}}|{{window.from}}'), '|2026-03-01T10:00:00.000Z')
    assert.equal(render('no placeholders } { at }} all'), 'no placeholders } { at }} all')
  })

  test('has conditions and loops', () => {
    assert.equal(render('{{#if missingShards}}incomplete{{else}}whole{{/if}}'), 'whole')
    assert.equal(render('{{#if group.region}}{{group.region}}{{/if}}'), 'eu-1')
    assert.equal(render('{{#each group}}{{key}}={{this}};{{/each}}', { group: { a: '1', b: '2' } }), 'a=1;b=2;')
    assert.equal(render('{{#each samples}}{{this.service}} {{rule.id}}{{/each}}'), 'checkout checkout-errors')
  })

  test('escapes for its media type', () => {
    const group = { a: 'x "y" <z> & \\ \n %' }
    assert.equal(render('{"a":"{{group.a}}"}', { group }, JSON_TYPE), JSON.stringify(group))
    assert.equal(render('{"g":{{json group}}}', { group }, JSON_TYPE), JSON.stringify({ g: group }))
    assert.equal(
      render('text={{group.a}}', { group }, 'application/x-www-form-urlencoded'),
      `text=${encodeURIComponent(group.a)}`,
    )
    assert.equal(render('<p>{{group.a}}</p>', { group }, 'text/html'), '<p>x &#34;y&#34; &#60;z&#62; &#38; \\ \n %</p>')
    assert.equal(render('q={{url rule.query}}'), 'q=service%3Acheckout%20level%3Aerror')
  })

  test('is refused where it cannot be meant so', () => {
    refused('{{rule.nmae}}', /names rule\.nmae/)
    refused('{{constructor}}', /names constructor/)
    refused('{{rule.constructor}}', /names rule\.constructor/)
    refused('{{__proto__.x}}', /names __proto__\.x/)
    refused('{{this.message}}', /names this\.message/)
    refused('{{#if value}}x', /lacks \{\{\/if\}\}/)
    refused('{{/each}}', /closes nothing/)
    refused('{{#if value}}{{/each}}', /closes nothing/)
    refused('{{else}}', /outside/)
    refused('{{#if value}}{{else}}{{else}}{{/if}}', /outside/)
    refused('{{a b c}}', /no path/)
    refused('{{title}}'.repeat(ALERT_TEMPLATE_NODES_MAX + 1), /parts/)
    refused('{{#if value}}'.repeat(5), /nest/)
    refused('{"a":"{{title}}"', /makes no JSON/, JSON_TYPE)
    refused('{"a":{{value}}}', /makes no JSON/, JSON_TYPE)
    refused('[{{#each samples}}{{json this}},{{/each}}]', /makes no JSON/, JSON_TYPE)
  })

  test('is bounded in what it makes and in how long it takes', () => {
    const group = Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`g${i}`, 'v'.repeat(256)]))
    const loops = '{{#each group}}'.repeat(4) + '{{resolvedAt}}' + '{{/each}}'.repeat(4)
    assert.throws(() => renderTemplate(loops, 'text/plain', notificationOf({ group })), /loops too often/)
    const large = '{{#each group}}{{#each group}}{{json group}}{{/each}}{{/each}}'
    assert.throws(() => renderTemplate(large, 'text/plain', notificationOf({ group })), /more than/)
  })

  test('carries whatever logs say as JSON', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (message, name) => {
        const samples = [{ ...notificationOf().samples[0]!, message }]
        const group = { x: name }
        const body = renderJson(
          '{"m":[{{#each samples}}"{{this.message}}"{{#if last}}{{else}},{{/if}}{{/each}}],"x":"{{group.x}}"}',
          { samples, group },
        )
        assert.deepEqual(JSON.parse(body), { m: [message], x: name })
      }),
    )
  })
})
