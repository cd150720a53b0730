/**
 * @platformatic/kafka has Ajv write and compile a validator for each kind of options of each call, 39 of them, while it is
 * loaded: a fifth of the CPU time of a start. Without `strict` it never calls one. So Ajv is asked to put it off meanwhile;
 * a validator that is called after all is compiled then. Where the library has an Ajv of its own nothing changes.
 */
import type { AnySchema, ErrorObject, ValidateFunction } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'

/** What of a validator the library uses. */
interface Validator {
  (data: unknown): unknown
  errors?: ErrorObject[] | null | undefined
}

/** Loads the library, or what imports it. */
export async function compilingLater<Module>(load: () => Promise<Module>): Promise<Module> {
  const { prototype } = Ajv2020
  const value = function (this: Ajv2020, schema: AnySchema): Validator {
    return compiledLater(() => this.compile(schema))
  }
  // Over the method that is inherited, which is there again when this is taken away.
  Object.defineProperty(prototype, 'compile', { configurable: true, value })
  try {
    return await load()
  } finally {
    Reflect.deleteProperty(prototype, 'compile')
  }
}

function compiledLater(compile: () => ValidateFunction): Validator {
  let compiled: ValidateFunction | undefined
  const validator: Validator = (data) => {
    compiled ??= compile()
    const isValid = compiled(data)
    validator.errors = compiled.errors
    return isValid
  }
  return validator
}
