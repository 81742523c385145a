import { styleText } from 'node:util'

type Style = Parameters<typeof styleText>[0]

/** Colours on a terminal that wants them, plain text elsewhere (NO_COLOR is respected). */
const paint = (style: Style, text: string): string => styleText(style, text, { stream: process.stdout })

const MARGIN = '   '
let steps = 0

export function title(text: string): void {
  console.log(paint('bold', text))
}

/** Begins the next numbered part. */
export function step(text: string): void {
  steps += 1
  console.log(`\n${paint(['bold', 'cyan'], `${steps}  ${text}`)}`)
}

export function say(text: string): void {
  console.log(MARGIN + text)
}

/** What went over the wire, or detail that may be skipped. */
export function quote(text: string): void {
  for (const line of text.split('\n')) console.log(paint('dim', `${MARGIN}  ${line}`))
}

export function good(text: string): void {
  console.log(`${MARGIN}${paint('green', '✓')} ${text}`)
}

export function bad(text: string): void {
  console.log(`${MARGIN}${paint('red', '✗')} ${text}`)
}

export function failed(error: Error): void {
  const cause = error.cause instanceof Error ? ` (${error.cause.message})` : ''
  console.error(`\n${styleText('red', 'The demo failed:', { stream: process.stderr })} ${error.message}${cause}`)
}
