import { figure, type Figure } from '../../../hack/figures.ts';
import { decide } from '../../../src/rewriting/decide.ts';
import { capableNode, NOW } from '../../support/rewriting.ts';
import { bigCluster, fill, reviewOf } from './cluster.ts';

const NODE_CHANGES = 100;

/** What it costs to build the index of a big cluster, and to follow one change. */
export function measureIndex(images: number, nodes: number, runs: number): Figure[] {
  const cluster = bigCluster(images, nodes);
  const build: number[] = [];
  const image: number[] = [];
  const node: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    let started = performance.now();
    const index = fill(cluster);
    build.push((performance.now() - started) / 1000);

    started = performance.now();
    for (const each of cluster.images) {
      index.upsertImage(each);
    }
    image.push((performance.now() - started) / cluster.images.length);

    // With the next decision, which walks over all nodes again.
    const { namespace, object } = reviewOf(0, images);
    started = performance.now();
    for (let i = 0; i < NODE_CHANGES; i += 1) {
      index.upsertNode(capableNode('node-1', { metadata: { labels: { change: String(i) } } }));
      decide(object, namespace, index, NOW);
    }
    node.push((performance.now() - started) / NODE_CHANGES);
  }
  return [
    figure('index.build', 's', build),
    figure('index.update', 'ms', image, 'object'),
    figure('index.update', 'ms', node, 'node and next decision'),
  ];
}
