import { equal } from 'node:assert/strict'
import { test } from 'node:test'
import { didYouMean } from '../../../node/did-you-mean.ts'

const KNOWN = ['http.port', 'http.host', 'retention.days', 'auth.allowInsecureNetwork']

test('slips, swaps, other spellings and lost sections lead to the name that was meant', () => {
  equal(didYouMean('http.prot', KNOWN), 'http.port')
  equal(didYouMean('httpPort', KNOWN), 'http.port')
  equal(didYouMean('auth.allow_insecure_network', KNOWN), 'auth.allowInsecureNetwork')
  equal(didYouMean('days', KNOWN), 'retention.days')
})

test('a name that is near nothing gets no suggestion', () => {
  equal(didYouMean('elasticsearch', KNOWN), undefined)
  equal(didYouMean('', KNOWN), undefined)
})
