import { createHash } from 'node:crypto';

import type { AstNode } from './solidity.ts';

/**
 * Makes faulty versions of a contract, each with one fault of the kind that people make: a guard forgotten, a bound off by one, a condition the
 * wrong way round, an operator mixed up, an effect left out, a modifier missing. Positions come from the compiler's AST, so a fault never lands
 * in a comment. Inline assembly is left alone.
 */

export interface Mutant {
  /** Stable while the function around it keeps its text at that place; lines may move. */
  readonly id: string;
  readonly file: string;
  readonly line: number;
  /** `Contract.function`, or the name of the constant. */
  readonly where: string;
  readonly kind: MutationKind;
  readonly before: string;
  readonly after: string;
  /** Byte range that is replaced. */
  readonly start: number;
  readonly end: number;
}

export type MutationKind =
  | 'guard deleted'
  | 'condition negated'
  | 'operator changed'
  | 'statement deleted'
  | 'constant changed'
  | 'modifier removed'
  | 'result negated'
  | 'state changed';

type Replacement = readonly [kind: MutationKind, start: number, end: number, after: string];

/** What people confuse with what: the neighbour, not the opposite, since an opposite is found by any test. */
const OPERATORS: Readonly<Record<string, string>> = {
  '<': '<=',
  '<=': '<',
  '>': '>=',
  '>=': '>',
  '==': '!=',
  '!=': '==',
  '&&': '||',
  '||': '&&',
  '+': '-',
  '-': '+',
  '*': '/',
  '/': '*',
  '&': '|',
  '|': '&',
  '<<': '>>',
  '>>': '<<',
  '+=': '-=',
  '-=': '+=',
  '|=': '=',
  '&=': '=',
};

const SEMICOLON = 0x3b;

/** Constants of these libraries stand for one another in the compiler's eyes: any of them is a uint8. */
const NAMED_CONSTANTS = /^(SettlementState|TokenStandard|RemotePhase|MessageKind|MessageCodec)$/;

function isNode(value: unknown): value is AstNode {
  return typeof value === 'object' && value !== null && 'nodeType' in value && 'src' in value;
}

function childrenOf(node: AstNode): AstNode[] {
  return Object.values(node).flatMap((value) =>
    Array.isArray(value) ? value.filter(isNode) : isNode(value) ? [value] : [],
  );
}

function rangeOf(node: AstNode): { start: number; end: number } {
  const [start = 0, length = 0] = node.src.split(':').map(Number);
  return { start, end: start + length };
}

function child(node: AstNode, name: string): AstNode | undefined {
  const value = node[name];
  return isNode(value) ? value : undefined;
}

/** A field that holds a word; empty when it does not. */
function word(node: AstNode, name: string): string {
  const value = node[name];
  return typeof value === 'string' ? value : '';
}

/** Whether a branch does nothing but revert. */
function onlyReverts(body: AstNode | undefined): boolean {
  if (body === undefined) return false;
  if (body.nodeType === 'RevertStatement') return true;
  const statements = childrenOf(body);
  return body.nodeType === 'Block' && statements.length === 1 && statements[0]?.nodeType === 'RevertStatement';
}

/** What the search knows of the source it is in. */
interface Source {
  readonly bytes: Buffer;
  readonly members: ReadonlyMap<string, readonly string[]>;
}

interface Found {
  readonly replacement: Replacement;
  readonly where: string;
}

/** Array lengths, events and errors are shapes, not behaviour: a change there does not compile, or means nothing. */
const SHAPES = /^(ArrayTypeName|EventDefinition|ErrorDefinition|InlineAssembly|StructuredDocumentation)$/;

function search(node: AstNode, where: string, source: Source): Found[] {
  if (SHAPES.test(node.nodeType)) return [];
  const inside = nameOf(node, where);
  const here = mutationsOf(node, source).map((replacement) => ({ replacement, where: inside }));
  return [...here, ...childrenOf(node).flatMap((part) => search(part, inside, source))];
}

function nameOf(node: AstNode, where: string): string {
  const isNamed = /^(ContractDefinition|FunctionDefinition|ModifierDefinition)$/.test(node.nodeType);
  const isConstant = node.nodeType === 'VariableDeclaration' && node['constant'] === true;
  if (!isNamed && !isConstant) return where;
  const name = word(node, 'name') || word(node, 'kind');
  return where === '' ? name : `${where}.${name}`;
}

function textOf({ bytes }: Source, start: number, end: number): string {
  return bytes.subarray(start, end).toString('utf8');
}

function mutationsOf(node: AstNode, source: Source): Replacement[] {
  const { start, end } = rangeOf(node);
  switch (node.nodeType) {
    case 'IfStatement':
      return condition(node, source, onlyReverts(child(node, 'trueBody')) && child(node, 'falseBody') === undefined);
    case 'Conditional':
    case 'WhileStatement':
      return condition(node, source, false);
    case 'BinaryOperation':
      return operation(child(node, 'leftExpression'), child(node, 'rightExpression'), word(node, 'operator'), source);
    case 'Assignment':
      return operation(child(node, 'leftHandSide'), child(node, 'rightHandSide'), word(node, 'operator'), source);
    case 'ExpressionStatement':
    case 'EmitStatement':
      // The AST gives the semicolon of a statement to nobody; after a block it would be a statement too many.
      return [['statement deleted', start, source.bytes[end] === SEMICOLON ? end + 1 : end, '{ }']];
    case 'UnaryOperation':
      return /^[!~]$/.test(word(node, 'operator')) ? [['operator changed', start, start + 1, '']] : [];
    case 'Literal':
      return literal(node, start, end, source);
    case 'ModifierInvocation':
      return node['kind'] === 'modifierInvocation' ? [['modifier removed', start, end, '']] : [];
    case 'Return':
      return result(node, source);
    case 'MemberAccess':
      return namedConstant(node, start, end, source);
    default:
      return [];
  }
}

function condition(node: AstNode, source: Source, isGuard: boolean): Replacement[] {
  const asked = child(node, 'condition');
  if (asked === undefined) return [];
  const { start, end } = rangeOf(asked);
  if (isGuard) return [['guard deleted', start, end, 'false']];
  return [['condition negated', start, end, `!(${textOf(source, start, end)})`]];
}

function operation(
  left: AstNode | undefined,
  right: AstNode | undefined,
  operator: string,
  source: Source,
): Replacement[] {
  const other = OPERATORS[operator];
  if (left === undefined || right === undefined || other === undefined) return [];
  const from = rangeOf(left).end;
  const at = textOf(source, from, rangeOf(right).start).indexOf(operator);
  if (at < 0) return [];
  return [['operator changed', from + at, from + at + operator.length, other]];
}

function literal(node: AstNode, start: number, end: number, source: Source): Replacement[] {
  const text = textOf(source, start, end).replaceAll('_', '');
  if (node['kind'] === 'bool') return [['constant changed', start, end, text === 'true' ? 'false' : 'true']];
  if (node['kind'] !== 'number' || !/^(0x[0-9a-fA-F]+|[0-9]+)$/.test(text)) return [];
  if (!text.startsWith('0x')) return [['constant changed', start, end, String(BigInt(text) + 1n)]];
  const digits = (BigInt(text) ^ 1n).toString(16).padStart(text.length - 2, '0');
  return [['constant changed', start, end, `0x${digits}`]];
}

function result(node: AstNode, source: Source): Replacement[] {
  const expression = child(node, 'expression');
  const types = expression?.['typeDescriptions'] as { typeString?: string } | undefined;
  if (expression === undefined || types?.typeString !== 'bool') return [];
  const { start, end } = rangeOf(expression);
  return [['result negated', start, end, `!(${textOf(source, start, end)})`]];
}

function namedConstant(node: AstNode, start: number, end: number, { members }: Source): Replacement[] {
  const owner = child(node, 'expression');
  const library = owner?.nodeType === 'Identifier' ? word(owner, 'name') : '';
  const names = members.get(library) ?? [];
  const at = names.indexOf(word(node, 'memberName'));
  const other = names[(at + 1) % names.length];
  if (at < 0 || other === undefined || names.length < 2) return [];
  return [['state changed', start, end, `${library}.${other}`]];
}

/** Names of the number constants of the libraries whose constants stand for one another. */
export function constantsByLibrary(asts: Iterable<AstNode>): Map<string, string[]> {
  const found = new Map<string, string[]>();
  const visit = (node: AstNode): void => {
    if (node.nodeType === 'ContractDefinition' && NAMED_CONSTANTS.test(word(node, 'name'))) {
      const constants = childrenOf(node).filter(
        (part) => part.nodeType === 'VariableDeclaration' && part['constant'] === true,
      );
      found.set(
        word(node, 'name'),
        constants.map((part) => word(part, 'name')),
      );
    }
    for (const part of childrenOf(node)) if (/^(SourceUnit|ContractDefinition)$/.test(part.nodeType)) visit(part);
  };
  for (const ast of asts) visit(ast);
  return found;
}

/**
 * All mutants of one source, in the order of the text.
 * @param text The source exactly as the compiler saw it.
 */
export function mutantsOf(
  file: string,
  text: string,
  ast: AstNode,
  members: ReadonlyMap<string, readonly string[]>,
): Mutant[] {
  const bytes = Buffer.from(text, 'utf8');
  const seen = new Map<string, number>();
  return search(ast, '', { bytes, members })
    .toSorted((a, b) => a.replacement[1] - b.replacement[1])
    .map(({ replacement: [kind, start, end, after], where }) => {
      const before = bytes.subarray(start, end).toString('utf8');
      // The surrounding text tells two equal operators of one function apart; a counter those in equal surroundings.
      const around = bytes
        .subarray(Math.max(0, start - 40), end + 40)
        .toString('utf8')
        .replaceAll(/\s+/g, ' ');
      const key = [file, where, kind, before, after, around].join('\0');
      const repeat = seen.get(key) ?? 0;
      seen.set(key, repeat + 1);
      const id = createHash('sha256').update(`${key}\0${repeat}`).digest('hex').slice(0, 12);
      const line = bytes.subarray(0, start).toString('utf8').split('\n').length;
      return { id, file, line, where, kind, before, after, start, end };
    });
}

/** The source with the fault in it. */
export function applyMutant(text: string, mutant: Mutant): string {
  const bytes = Buffer.from(text, 'utf8');
  return Buffer.concat([
    bytes.subarray(0, mutant.start),
    Buffer.from(mutant.after),
    bytes.subarray(mutant.end),
  ]).toString('utf8');
}
