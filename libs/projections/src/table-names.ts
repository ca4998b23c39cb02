import {
  type KyselyPlugin,
  OperationNodeTransformer,
  type PluginTransformQueryArgs,
  type PluginTransformResultArgs,
  type PrimaryKeyConstraintNode,
  type QueryId,
  type QueryResult,
  type RootOperationNode,
  type SchemableIdentifierNode,
  type UniqueConstraintNode,
  type UnknownRow,
} from 'kysely';

export const rebuildName = (table: string): string => `${table}__rebuild`;
export const retiredName = (table: string): string => `${table}__retired`;

interface Names {
  tables: readonly string[];
  rename: (table: string) => string;
  /** Ends the names of constraints, which share one name space in PostgreSQL; only DDL needs it. */
  suffix?: string;
}

/** Points queries and DDL at other tables. An alias must not be named like one of the tables. */
export class RenameTablesPlugin implements KyselyPlugin {
  readonly #transformer: TableRenamer;

  constructor(names: Names) {
    this.#transformer = new TableRenamer(names);
  }

  transformQuery({ node, queryId }: PluginTransformQueryArgs): RootOperationNode {
    return this.#transformer.transformNode(node, queryId);
  }

  async transformResult({ result }: PluginTransformResultArgs): Promise<QueryResult<UnknownRow>> {
    return result;
  }
}

class TableRenamer extends OperationNodeTransformer {
  readonly #names: Names;

  constructor(names: Names) {
    super();
    this.#names = names;
  }

  protected override transformSchemableIdentifier(
    node: SchemableIdentifierNode,
    queryId: QueryId,
  ): SchemableIdentifierNode {
    const { tables, rename } = this.#names;
    const { name } = node.identifier;
    if (!tables.includes(name)) return super.transformSchemableIdentifier(node, queryId);
    return { ...node, identifier: { ...node.identifier, name: rename(name) } };
  }

  protected override transformPrimaryKeyConstraint(
    node: PrimaryKeyConstraintNode,
    queryId: QueryId,
  ): PrimaryKeyConstraintNode {
    return this.#suffixed(super.transformPrimaryKeyConstraint(node, queryId));
  }

  protected override transformUniqueConstraint(
    node: UniqueConstraintNode,
    queryId: QueryId,
  ): UniqueConstraintNode {
    return this.#suffixed(super.transformUniqueConstraint(node, queryId));
  }

  #suffixed<Node extends PrimaryKeyConstraintNode | UniqueConstraintNode>(node: Node): Node {
    if (!node.name || this.#names.suffix === undefined) return node;
    return { ...node, name: { ...node.name, name: `${node.name.name}_${this.#names.suffix}` } };
  }
}
