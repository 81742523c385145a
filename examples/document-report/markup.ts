/** HTML that is safe to put into HTML. */
export interface Markup {
  markup: string
}

type Value = string | number | Markup | Markup[]

/** A template whose values are escaped unless they come from such a template themselves. */
export function html(literals: TemplateStringsArray, ...values: Value[]): Markup {
  return { markup: literals.reduce((before, literal, index) => before + markupOf(values[index - 1] ?? '') + literal) }
}

function markupOf(value: Value): string {
  if (Array.isArray(value)) return value.map(({ markup }) => markup).join('')
  return typeof value === 'object' ? value.markup : escapeHtml(String(value))
}

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => entities[char] ?? char)
}
