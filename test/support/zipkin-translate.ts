/** The translation of Zipkin as tests drive it: bytes in, plain spans or the reason of a refusal out. */
import {
  type Kernel,
  type KernelProblem,
  type KernelRules,
  kernelCodes,
  type Translation,
} from '../../src/wire/kernel.ts'
import { type ZipkinForm, zipkinTranslation } from '../../src/wire/translations/zipkin.ts'
import { type PlainItem, sorted, spansOfOtlp } from './plain-spans.ts'

/** The rules that look for these names, the stamp's first. */
export function rulesFor(...names: readonly string[]): KernelRules {
  return { names: names.map((name) => Buffer.from(name)) }
}

const guidOnly = rulesFor('guid')

/** The bytes of the translation, or why there is none. */
export function translateZipkin(
  kernel: Kernel,
  translation: Translation,
  payload: Buffer,
  rules: KernelRules = guidOnly,
): Buffer | KernelProblem {
  kernel.begin()
  kernel.useRules(rules)
  if (kernel.putPlain([payload], payload.length) < 0) throw new Error('no memory')
  const bytes = kernel.translate(translation)
  return bytes < 0 ? kernelCodes[bytes as keyof typeof kernelCodes] : kernel.payloadCopy()
}

/** The spans of the translation in their order, or why there are none. */
export function zipkinSpans(
  kernel: Kernel,
  form: ZipkinForm,
  payload: Buffer,
  rules: KernelRules = guidOnly,
): PlainItem[] | KernelProblem {
  const translated = translateZipkin(kernel, zipkinTranslation(form), payload, rules)
  return typeof translated === 'string' ? translated : inKeyOrder(spansOfOtlp(translated))
}

/** The spans in their order, the attributes in the order of their keys. */
export function inKeyOrder(items: readonly PlainItem[]): PlainItem[] {
  return items.flatMap((item) => sorted([item]))
}
