#!/usr/bin/env node
// The bin entry. It is CommonJS, so that an old Node says what is wrong instead of stumbling over a type.
require('../require-node-24.cjs')
import('./posthorn.ts')
