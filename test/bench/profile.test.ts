import { expect, test } from 'vitest'
import { stageShares } from '../../bench/profile.ts'

const node = (id: number, functionName: string, url: string, children: number[] = []) => ({
  id,
  callFrame: { functionName, url },
  children,
})

test('a sample counts for the innermost caller that belongs to a stage, within the window', () => {
  const nodes = [
    node(1, '(root)', '', [2, 5, 6]),
    node(2, 'submit', 'file:///posthorn/src/http/submit.ts', [3]),
    node(3, 'accept', 'file:///posthorn/src/store/sqlite/jobs.ts', [4]),
    node(4, 'isoTime', 'file:///posthorn/src/core/job-view.ts'),
    node(5, '(idle)', ''),
    node(6, 'request', 'file:///posthorn/node_modules/got/dist/index.js'),
  ]
  // Each sample ends after its time: at 1, 2, 3, 4, 5 and 6 ms.
  const profile = { nodes, samples: [6, 2, 4, 5, 6, 2], timeDeltas: Array(6).fill(1000), startTime: 0 }
  const shares = stageShares(profile, { from: 2, to: 6 })
  expect(shares).toMatchObject({ http: 1 / 3, store: 1 / 3, egress: 1 / 3, Node: 0 })
})
