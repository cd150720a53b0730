import assert from 'node:assert/strict'
import { availableParallelism } from 'node:os'
import { test } from 'node:test'
import { coresOf } from '../../../src/config/cores.ts'

const all = availableParallelism()
const cores = (files: Readonly<Record<string, string>>): number => coresOf((file) => files[file])

test('without a limit, the cores of the machine', () => {
  assert.equal(cores({}), all)
  assert.equal(cores({ '/sys/fs/cgroup/cpu.max': 'max 100000\n' }), all)
  assert.equal(
    cores({
      '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1\n',
      '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
    }),
    all,
  )
  assert.equal(coresOf() >= 1, true, 'of this machine')
})

test('the CPU limit of a container: cgroup v2 and v1, mounted as the root or by its path', () => {
  for (const files of [
    { '/sys/fs/cgroup/cpu.max': '100000 100000\n' },
    { '/proc/self/cgroup': '0::/kubepods/pod7\n', '/sys/fs/cgroup/kubepods/pod7/cpu.max': '100000 100000\n' },
    {
      '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '50000\n',
      '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000\n',
    },
    {
      '/proc/self/cgroup': '4:memory:/a\n2:cpuacct:/b\n1:cpu:/docker/1f\n0::/\n',
      '/sys/fs/cgroup/cpu/docker/1f/cpu.cfs_quota_us': '150000\n',
      '/sys/fs/cgroup/cpu/docker/1f/cpu.cfs_period_us': '100000\n',
    },
  ])
    assert.equal(cores(files), 1, JSON.stringify(files))
  assert.equal(cores({ '/sys/fs/cgroup/cpu.max': '6400000 100000' }), all, 'more than there are')
})
