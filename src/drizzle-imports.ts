import { registerHooks } from 'node:module'

/**
 * Load this before anything that imports drizzle-orm. Node 24 reads a module's package.json for the module's format,
 * and parses all of it each time: drizzle's is 180 kB for some hundred modules. Telling Node what these are halves the
 * time of a start and the memory of a process.
 */
registerHooks({
  resolve(specifier, context, next) {
    const from = context.parentURL
    if (!specifier.startsWith('.') || !from?.includes('/node_modules/drizzle-orm/') || !from.endsWith('.js')) {
      return next(specifier, context)
    }
    return { url: new URL(specifier, from).href, format: 'module', shortCircuit: true }
  },
})
