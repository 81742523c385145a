import { z } from 'posthorn/handlers'

const sources = ['file_id', 'url', 'text'] as const

const fields = z.strictObject({
  file_id: z
    .string()
    .regex(/^file_\w+$/, 'must be the id of a file, file_…')
    .optional(),
  url: z.url({ protocol: /^https?$/, error: 'must be an http or https URL' }).optional(),
  text: z.string().min(1, 'must not be empty').optional(),
  content_type: z.enum(['text/plain', 'text/html']).optional(),
  title: z.string().trim().min(1).max(300).optional(),
  key_terms: z.int().min(1).max(50).default(10),
})

/** What `document.report` is asked: one document, by id, by URL or as it is. */
export type DocumentInput = z.infer<typeof fields>

export const documentInput = fields.superRefine((input, context) => {
  const [first, ...others] = sources.filter((name) => input[name] !== undefined)
  if (first === undefined) context.addIssue(`give one of ${sources.join(', ')}`)
  for (const name of others) {
    context.addIssue({ code: 'custom', path: [name], message: `cannot be given together with ${first}` })
  }
  if (input.content_type !== undefined && input.text === undefined) {
    context.addIssue({ code: 'custom', path: ['content_type'], message: 'can only be given together with text' })
  }
})
