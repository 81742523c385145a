import { describe, expect, test, vi } from 'vitest'
import { contextFor, documentBytes, reportOf, reportOn } from './memory-context.ts'

const terms = (report: { key_terms: { term: string }[] }) => report.key_terms.map(({ term }) => term)
const text = (value: string) => reportOf(contextFor({ text: value }))

describe('a report on a PDF', () => {
  test('counts its pages and takes the title from the file', async () => {
    const { document } = await reportOn(documentBytes('post-horn.pdf'), 'application/pdf')
    expect(document).toEqual({
      title: 'A Short History of the Post Horn',
      content_type: 'application/pdf',
      bytes: 3990,
      pages: 2,
      source: 'file_upload',
    })
  })

  test('finds paragraphs and sentences across wrapped lines, headings and pages', async () => {
    const { statistics } = await reportOn(documentBytes('post-horn.pdf'), 'application/pdf')
    expect(statistics).toMatchObject({ words: 370, sentences: 21, paragraphs: 10, reading_time_minutes: 2 })
  })

  test('names what the document is about', async () => {
    const report = await reportOn(documentBytes('post-horn.pdf'), 'application/pdf')
    expect(report.key_terms.slice(0, 4)).toEqual([
      { term: 'mail', count: 9, score: 18 },
      { term: 'coach', count: 7, score: 16.25 },
      { term: 'horn', count: 7, score: 14 },
      { term: 'post', count: 6, score: 12 },
    ])
  })

  test('recognises a PDF that was stored as something else', async () => {
    const { document } = await reportOn(documentBytes('post-horn.pdf'), 'application/octet-stream')
    expect(document.content_type).toBe('application/pdf')
  })
})

describe('a report on an HTML page', () => {
  const page = () => reportOn(documentBytes('page.html'), 'text/html; charset=utf-8')

  test('decodes entities, in the title too', async () => {
    const { document, language } = await page()
    expect(document).toMatchObject({ title: 'La malle-poste & ses relès', content_type: 'text/html', pages: null })
    expect(language).toEqual({ code: 'fra', name: 'French' })
  })

  test('counts each block and list item as a paragraph', async () => {
    const { statistics } = await page()
    expect(statistics).toMatchObject({ characters: 554, sentences: 9, paragraphs: 6 })
  })

  test('reads only what a reader sees: no scripts, styles, comments, templates, navigation or image descriptions', async () => {
    const { context } = contextFor(
      { file_id: 'file_upload', key_terms: 50 },
      { bytes: documentBytes('page.html'), contentType: 'text/html' },
    )
    const found = terms(await reportOf({ context, progress: [], saved: [] }))
    expect(found).toEqual(expect.arrayContaining(['relais', 'chevaux', 'arrêtaient', 'francs']))
    for (const hidden of [
      'scriptword',
      'styleword',
      'commentword',
      'Accueil',
      'imageword',
      'svgword',
      'templateword',
      'Activez',
    ]) {
      expect(found).not.toContain(hidden)
    }
  })

  test('keeps the cells of a table apart', async () => {
    const report = await reportOf(
      contextFor({ text: '<table><tr><td>Postkutsche<td>Eisenbahn</table>', content_type: 'text/html' }),
    )
    expect(terms(report)).toEqual(['Postkutsche', 'Eisenbahn'])
  })

  test('shows headings and links as they are written, without addresses', async () => {
    const markup = '<h2>Postillion</h2><p><a href="https://example.com/address">Posthorn</a>'
    expect(terms(await reportOf(contextFor({ text: markup, content_type: 'text/html' })))).toEqual([
      'Postillion',
      'Posthorn',
    ])
  })

  test('takes its own title, not the one of a drawing in it', async () => {
    const markup = '<title>Page</title><p>Words<svg><title>Drawing</title></svg>'
    const { document } = await reportOf(contextFor({ text: markup, content_type: 'text/html' }))
    expect(document.title).toBe('Page')
  })

  test('takes the charset from the page when nobody else says', async () => {
    const koi8 = [0xf0, 0xcf, 0xde, 0xd4, 0xc1]
    const page = Buffer.concat([
      Buffer.from('<meta charset="koi8-r"><title>'),
      Buffer.from(koi8),
      Buffer.from('</title>x'),
    ])
    expect((await reportOn(page, 'text/html')).document.title).toBe('Почта')
  })
})

describe('a report on a text', () => {
  test('in English has the statistics of its sentences, however the lines are wrapped', async () => {
    const report = await reportOn(documentBytes('english.txt'), 'text/plain')
    expect(report.language).toEqual({ code: 'eng', name: 'English' })
    expect(report.statistics).toEqual({
      characters: 1240,
      words: 228,
      sentences: 17,
      paragraphs: 5,
      unique_words: 126,
      average_words_per_sentence: 13.4,
      reading_time_minutes: 1,
    })
    expect(terms(report).slice(0, 4)).toEqual(['receiver', 'webhook', 'sender', 'promise'])
  })

  test('in German writes nouns as German does and leaves out function words', async () => {
    const report = await reportOn(documentBytes('german.txt'), 'text/plain; charset=utf-8')
    expect(report.language).toEqual({ code: 'deu', name: 'German' })
    expect(report.statistics).toMatchObject({ words: 125, sentences: 10, paragraphs: 4 })
    expect(terms(report).slice(0, 3)).toEqual(['Posthorn', 'Postkutsche', 'Postillion'])
    expect(terms(report)).not.toContain('einem')
  })

  test('in Japanese finds words and sentences without spaces', async () => {
    const report = await reportOn(documentBytes('japanese.txt'), 'text/plain')
    expect(report.language).toEqual({ code: 'jpn', name: 'Japanese' })
    expect(report.statistics).toMatchObject({ characters: 259, sentences: 9, paragraphs: 4 })
    expect(terms(report).slice(0, 2)).toEqual(['郵便', '手紙'])
  })

  test('counts characters as code points and words regardless of case', async () => {
    const { statistics } = await text('Ping pong 🏓. PING!')
    expect(statistics).toMatchObject({ characters: 18, words: 3, unique_words: 2, sentences: 2 })
  })

  test('joins words that were hyphenated at the end of a line', async () => {
    expect(terms(await text('A deli-\nvery is a deli-\r\nvery.'))).toEqual(['delivery'])
  })

  test('in Arabic leaves out the function words, though the lists call the language otherwise', async () => {
    const report = await text('يولد جميع الناس أحرارا متساوين في الكرامة والحقوق. أولئك الناس جميعا أحرار، أولئك سواء.')
    expect(report.language).toEqual({ code: 'arb', name: 'Arabic' })
    expect(terms(report)).toContain('الناس')
    expect(terms(report)).not.toContain('أولئك')
  })

  test('in an unknown language leaves out numbers and short words', async () => {
    expect(terms(await text('2026 abc abcd'))).toEqual(['abcd'])
  })

  test('takes a letter with its accent for one letter', async () => {
    expect((await text('caf\u00e9 cafe\u0301')).statistics).toMatchObject({ characters: 9, unique_words: 1 })
  })

  test('says so when the language cannot be told', async () => {
    expect((await text('42')).language).toEqual({ code: 'und', name: 'Unknown' })
  })

  test('in an old encoding that nobody declared is still readable', async () => {
    const report = await reportOn(Buffer.from('Der Fährmann wartet.', 'latin1'), 'text/plain')
    expect(terms(report)).toContain('Fährmann')
  })

  test('gives as many key terms as asked for', async () => {
    const { context } = contextFor({ text: 'letters horses guards coaches', key_terms: 2 })
    expect(terms(await reportOf({ context, progress: [], saved: [] }))).toHaveLength(2)
  })
})

describe('the run', () => {
  test('reports each step once', async () => {
    const run = contextFor({ text: 'The post horn announces the mail coach.' })
    await reportOf(run)
    expect(run.progress).toEqual([
      [0, 'Reading the document'],
      [25, 'Text extracted'],
      [50, 'English, 7 words'],
      [75, 'Key terms found'],
      [90, 'Report rendered'],
      [100, 'Report saved'],
    ])
  })

  test('stops at the next step when the job is cancelled', async () => {
    const job = new AbortController()
    const seen: number[] = []
    const progress = (percent: number) => {
      seen.push(percent)
      if (percent === 75) job.abort(new Error('cancelled'))
    }
    const run = contextFor({ text: 'Some words' }, undefined, { signal: job.signal, progress })
    await expect(reportOf(run)).rejects.toThrow('cancelled')
    expect(seen).toEqual([0, 25, 50, 75])
    expect(run.saved).toEqual([])
  })

  test('keeps the warnings of the PDF parser to itself', async () => {
    const output = vi.spyOn(console, 'warn').mockImplementation(() => {})
    const damaged = documentBytes('post-horn.pdf').slice(0, 1500)
    await expect(reportOn(damaged, 'application/pdf')).rejects.toThrow('damaged')
    expect(output).not.toHaveBeenCalled()
    output.mockRestore()
  })
})

describe('the saved page', () => {
  test('is the one the result refers to', async () => {
    const run = contextFor({ text: 'The post horn' })
    const { report } = await reportOf(run)
    expect(run.saved).toHaveLength(1)
    expect(run.saved[0]?.contentType).toBe('text/html; charset=utf-8')
    expect(report).toEqual({
      file_id: 'file_report',
      url: 'https://posthorn.test/files/file_report',
      content_type: 'text/html; charset=utf-8',
      size: Buffer.byteLength(run.saved[0]?.html ?? ''),
    })
  })

  test('shows markup in a title or a source as text', async () => {
    const title = `"><script>alert('x')</script>&amp;`
    const fetch = async () => new Response('Hello there', { headers: { 'content-type': 'text/plain' } })
    const run = contextFor({ url: 'https://a.test/<img src=x onerror=alert(1)>', title }, undefined, { fetch })
    const { document } = await reportOf(run)
    const html = run.saved[0]?.html ?? ''
    expect(document.title).toBe(title)
    expect(html).toContain('<h1 dir="auto">&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;amp;</h1>')
    expect(html).toContain('<title>Report: &quot;&gt;&lt;script&gt;')
    expect(html).not.toMatch(/<script|<img/i)
  })

  test('forbids every script and request', async () => {
    const run = contextFor({ text: 'The post horn' })
    await reportOf(run)
    const html = run.saved[0]?.html ?? ''
    expect(html).toContain(
      `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">`,
    )
    expect(html).not.toMatch(/(src|href)=/)
  })
})
