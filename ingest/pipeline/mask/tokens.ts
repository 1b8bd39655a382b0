import type { Spans } from './spans.ts'

/** Secrets that are known by their form. Every repeat is bounded, so that no text costs more than a fixed amount of work a character. */
const TOKENS =
  /(?:A3T[A-Z0-9]|AKIA|ASIA|AGPA|AIDA|AROA|AIPA|ANPA|ANVA)[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{36,251}|github_pat_\w{22,255}|xox[a-z]-[\w-]{10,255}|[sr]k_(?:live|test)_[A-Za-z0-9]{16,255}|AIza[\w-]{35}|glpat-[\w-]{20,64}|npm_[A-Za-z0-9]{36}|weir_[\w-]{43}|hooks\.slack\.com\/services\/[\w/]{20,100}/g
const SCHEME = /\b(bearer|basic|apikey|splunk)[ \t]{1,8}/gi
const CREDENTIAL_END = /[^A-Za-z0-9+/_=.~:-]/g
const CREDENTIAL_CHARS_MIN = 8
const BASE64URL_END = /[^A-Za-z0-9_-]/g
const JWT_PART_CHARS_MIN = 8
const PEM_BEGIN = /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,20}-----/g
const PEM_END = /-----END [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,20}-----/g
const AUTHORITY_CHARS_MAX = 1024
const AUTHORITY_END = /[/?#\s"'<>\\]/g

/** API keys of AWS, GitHub, GitLab, Google, npm, Slack, Stripe and our own; Bearer and Basic credentials; JWTs; private keys in PEM. */
export function findTokens(text: string, spans: Spans): void {
  for (const match of text.matchAll(TOKENS)) spans.add(match.index, match.index + match[0].length)
  findCredentials(text, spans)
  findJwts(text, spans)
  findPrivateKeys(text, spans)
}

function findCredentials(text: string, spans: Spans): void {
  for (const match of text.matchAll(SCHEME)) {
    const start = match.index + match[0].length
    const end = endOf(CREDENTIAL_END, text, start, text.length)
    const credential = text.slice(start, Math.min(end, start + 256))
    if (credential.length < CREDENTIAL_CHARS_MIN) continue
    const isCredential =
      match[1]!.toLowerCase() === 'basic'
        ? Buffer.from(credential, 'base64').includes(':')
        : /[\d._~+/=-]/.test(credential) || credential.length >= 20
    if (isCredential) spans.add(start, end)
  }
}

/** `eyJ` begins the base64 of `{"`: three such parts, of which the last may be empty. */
function findJwts(text: string, spans: Spans): void {
  for (let start = text.indexOf('eyJ'); start >= 0; start = text.indexOf('eyJ', start)) {
    let end = endOf(BASE64URL_END, text, start, text.length)
    const header = end - start
    if (header >= JWT_PART_CHARS_MIN && text[end] === '.') {
      const claimsEnd = endOf(BASE64URL_END, text, end + 1, text.length)
      if (claimsEnd - end > JWT_PART_CHARS_MIN) {
        end = text[claimsEnd] === '.' ? endOf(BASE64URL_END, text, claimsEnd + 1, text.length) : claimsEnd
        spans.add(start, end)
      }
    }
    start = end
  }
}

/** Up to the end of the text where the key has none. */
function findPrivateKeys(text: string, spans: Spans): void {
  PEM_BEGIN.lastIndex = 0
  for (let begin = PEM_BEGIN.exec(text); begin !== null; begin = PEM_BEGIN.exec(text)) {
    PEM_END.lastIndex = PEM_BEGIN.lastIndex
    const end = PEM_END.exec(text) === null ? text.length : PEM_END.lastIndex
    spans.add(begin.index, end)
    PEM_BEGIN.lastIndex = end
  }
}

/** What stands before the host of a URL: the password, or all of it where there is no user. */
export function findUrlSecrets(text: string, spans: Spans): void {
  for (let at = text.indexOf('://'); at >= 0; at = text.indexOf('://', at + 3)) {
    const start = at + 3
    const end = endOf(AUTHORITY_END, text, start, Math.min(text.length, start + AUTHORITY_CHARS_MAX))
    const authority = text.slice(start, end)
    const host = authority.lastIndexOf('@')
    if (host < 0) continue
    const colon = authority.indexOf(':')
    spans.add(colon >= 0 && colon < host ? start + colon + 1 : start, start + host)
  }
}

/** First place at or after `from` that the expression, a negated class with the flag g, matches. */
function endOf(end: RegExp, text: string, from: number, max: number): number {
  end.lastIndex = from
  const match = end.exec(text)
  return match === null ? max : Math.min(match.index, max)
}
