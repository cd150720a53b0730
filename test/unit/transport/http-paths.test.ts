import assert from 'node:assert/strict'
import test from 'node:test'
import { HttpPaths } from '../../../src/transport/http-paths.ts'

const paths = new HttpPaths(['/', '/in', '/v1/traces'].map((path) => ({ path })))

/** The path of the route, and the guid where there is one. */
function found(target: string): (string | undefined)[] | undefined {
  const hit = paths.find(target)
  return hit && [hit.route.path, ...(hit.guid === undefined ? [] : [hit.guid])]
}

test('a path is served as it is and under /t/<guid>, a slash at its end or not, and whatever the query', () => {
  for (const target of ['/v1/traces', '/v1/traces/', '/v1/traces?a=/in', '/v1/traces/?', '/v1/traces#x']) {
    assert.deepEqual(found(target), ['/v1/traces'], target)
    assert.deepEqual(found(`/t/team-a${target}`), ['/v1/traces', 'team-a'], target)
  }
  for (const target of ['/', '/?service=a']) assert.deepEqual(found(target), ['/'])
  for (const target of ['/t/team-a', '/t/team-a/', '/t/team-a?x']) {
    assert.deepEqual(found(target), ['/', 'team-a'], target)
  }
})

test('whatever the path gives for a guid is handed over decoded, once: the rules judge it', () => {
  const guids = ['', 'a b', 'a/b', 'a%2Fb', 'größer', '..', 'in', 'x'.repeat(1000)]
  for (const guid of guids) {
    assert.deepEqual(found(`/t/${encodeURIComponent(guid)}/in`), ['/in', guid], guid)
  }
})

test('percent-encoded letters are letters, an encoded slash separates nothing', () => {
  assert.deepEqual(found('/%76%31/traces'), ['/v1/traces'])
  assert.deepEqual(found('/%74/team-a/%69n'), ['/in', 'team-a'])
  for (const target of ['/v1%2Ftraces', '/t/team-a%2Fin%2F..', '/t%2Fteam-a/in', '%2Fin']) {
    assert.notEqual(found(target)?.[0], '/in', target)
    assert.notEqual(found(target)?.[0], '/v1/traces', target)
  }
})

test('a proxy may send the whole address', () => {
  assert.deepEqual(found('http://gateway:10000/in'), ['/in'])
  assert.deepEqual(found('HTTPS://gateway/t/team-a/in?x'), ['/in', 'team-a'])
  assert.deepEqual(found('http://gateway'), ['/'])
})

test('nothing is served elsewhere', () => {
  const others = ['', '*', 'in', '//in', '/in//', '/IN', '/in/x', '/t', '/t/', '/t/a/b/in', '/t/a//in']
  const broken = ['/%', '/%zz/in', '/t/%C3/in', '/t/%ED%A0%80/in']
  for (const target of [...others, ...broken, '/constructor', '/__proto__', 'ftp://gateway/in']) {
    assert.equal(found(target), undefined, target)
  }
})
