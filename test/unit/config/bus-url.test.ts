import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseBusUrl } from '../../../src/config/bus-url.ts'

test('log: takes a directory, relative to the working directory', () => {
  for (const [text, directory] of [
    ['log:./data', '/work-dir/data'],
    ['log:data', '/work-dir/data'],
    ['log:/var/lib/x', '/var/lib/x'],
    ['log:///var/lib/x', '/var/lib/x'],
    ['log:../a b', '/a b'],
  ]) {
    assert.deepEqual(parseBusUrl(text ?? '', '/work-dir'), { kind: 'log', url: text, directory })
  }
})

test('kafka:// takes brokers, with the port 9092 unless given', () => {
  const url = parseBusUrl('kafka://a,b:1, [::1]:2/', '/')
  assert.deepEqual(url, {
    kind: 'kafka',
    url: 'kafka://a:9092,b:1,[::1]:2',
    brokers: ['a:9092', 'b:1', '[::1]:2'],
  })
})

test('what is wrong is answered with what to write', () => {
  for (const [text, expected] of [
    ['', /write log:/],
    ['./data', /is no bus URL/],
    ['http://x', /is no bus URL/],
    ['log:', /names no directory/],
    ['log://data', /write log:\.\/data or log:\/\/\/data/],
    ['kafka:host', /needs two slashes/],
    ['kafka://', /that is not host:port/],
    ['kafka://a:0', /that is not host:port/],
    ['kafka://a,,b', /that is not host:port/],
    ['kafka://a/topic', /may name brokers only/],
    ['kafka://u:p@a', /kafka\.sasl\.username/],
  ] as const) {
    const problem = parseBusUrl(text, '/')
    assert.ok(typeof problem === 'string', text)
    assert.match(problem, expected)
    assert.ok(!problem.includes('u:p'))
  }
})
