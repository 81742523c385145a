/** Every list of stopword is a named export, by ISO 639-3 code; the package has no types of its own. */
declare module 'stopword' {
  const lists: Record<string, string[]>
  export = lists
}
