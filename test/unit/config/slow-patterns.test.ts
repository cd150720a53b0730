import assert from 'node:assert/strict'
import { test } from 'node:test'
import { repeatsRepeated } from '../../../src/config/slow-patterns.ts'

test('a repeated group that repeats something itself is found', () => {
  for (const source of [
    '(a+)+',
    '^(a*)*$',
    '^(?:(x|y+))*-(.+)$',
    '((?:a{2,}))+',
    '(?<team>[a-z]+){3,}',
    '(?:a+){20}',
    '(a+)+?',
    '(?:b(?:a+)?)*',
    '(?:[)]+)+',
    '(?:\\)+)+',
  ]) {
    assert.equal(repeatsRepeated(source), true, source)
  }
})

test('repetitions beside each other are none inside each other', () => {
  for (const source of [
    '^team-(.+)$',
    '^([a-z0-9-]+)/',
    '(a+)(b+)',
    '(?:a+)?',
    '(a+){1,3}',
    '[(a+)+]',
    '\\(a+\\)+',
    '(?:team|t)+',
    '(?<=a+)b+',
    '(?:ab?)+',
    '(?:a{3})+',
  ]) {
    assert.equal(repeatsRepeated(source), false, source)
  }
})
