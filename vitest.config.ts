import { defineConfig } from 'vitest/config'

export default defineConfig({
  resolve: {
    alias: {
      'posthorn/client': new URL('./src/client/index.ts', import.meta.url).pathname,
      'posthorn/handlers': new URL('./src/handlers/define.ts', import.meta.url).pathname,
    },
  },
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 20_000,
    hookTimeout: 20_000,
    // Some tests start servers and whole processes; two cores do not run more of those side by side.
    maxWorkers: 2,
  },
})
