/** Requests as lists of items with what encloses each, so that a request that was cut compares with one that was not. */
import type protobuf from 'protobufjs'
import { isItem, itemField, listOf } from './expected.ts'
import { type Model, nestedType, requestType, type Signal } from './schema.ts'

/**
 * One item: the heads of its Resource*, its Scope* and, in metrics, its Metric and its data, each with the name of the
 * field in which the next one stands, then the item.
 */
export type Path = readonly Model[]

export function itemPaths(signal: Signal, resources: readonly Model[]): Path[] {
  const type = nestedType(requestType(signal).fieldsById[1]!)!
  return resources.flatMap((model) => pathsOf(type, model))
}

function pathsOf(type: protobuf.Type, model: Model): Path[] {
  if (isItem(type)) return [[model]]
  const head: Model = {}
  for (const [name, value] of Object.entries(model)) {
    if (!itemField(type, name)) head[name] = value
  }
  const paths: Path[] = []
  for (const name of Object.keys(model)) {
    if (!itemField(type, name)) continue
    for (const one of listOf(model, name)) {
      for (const path of pathsOf(nestedType(type.fields[name]!)!, one))
        paths.push([{ ...head, in: name }, ...path])
    }
  }
  return paths
}
