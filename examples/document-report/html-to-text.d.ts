/** The part of html-to-text that this example uses; the package has no types of its own. */
declare module 'html-to-text' {
  export interface Selector {
    selector: string
    format?: string
    options?: Record<string, unknown>
  }

  export interface ConvertOptions {
    wordwrap?: number | false
    selectors?: Selector[]
    baseElements?: { selectors: string[]; returnDomByDefault: boolean }
    limits?: { maxBaseElements?: number }
  }

  export function convert(html: string, options?: ConvertOptions): string
}
