import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A certificate for 127.0.0.1 that nobody trusts, and its key, as PEM. Needs openssl(1). */
export function testCertificate(): { readonly certificate: string; readonly key: string } {
  const directory = mkdtempSync(join(tmpdir(), 'weir-tls-'))
  const [keyFile, certificateFile] = [join(directory, 'key'), join(directory, 'certificate')]
  try {
    const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
    const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
    execFileSync('openssl', ['req', ...kind, ...subject, '-keyout', keyFile, '-out', certificateFile], {
      stdio: 'pipe',
    })
    return { certificate: readFileSync(certificateFile, 'utf8'), key: readFileSync(keyFile, 'utf8') }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
