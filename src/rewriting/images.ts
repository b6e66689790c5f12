import type { AcceleratedImage } from '../api/v1alpha1/acceleratedimage.ts';
import type { Reference } from '../registry/reference.ts';
import { candidateOf, digestKey, tagKey, type Candidate } from './candidates.ts';

/** AcceleratedImages by the images that Pods name. */
export class ImageIndex {
  /** `namespace/name` of the object. */
  readonly #candidates = new Map<string, Candidate>();
  /** By namespace and image, see {@link placesOf}. Never an empty list. */
  readonly #byImage = new Map<string, readonly Candidate[]>();

  get size(): number {
    return this.#candidates.size;
  }

  /** Every object, in no order. */
  candidates(): Iterable<Candidate> {
    return this.#candidates.values();
  }

  upsert(image: AcceleratedImage): void {
    const { namespace, name } = image.metadata;
    this.delete(namespace, name);
    const candidate = candidateOf(image);
    if (candidate === undefined) {
      return;
    }
    this.#candidates.set(`${namespace}/${name}`, candidate);
    for (const place of placesOf(candidate)) {
      this.#byImage.set(place, [...(this.#byImage.get(place) ?? []), candidate].toSorted(byAge));
    }
  }

  delete(namespace: string, name: string): void {
    const candidate = this.#candidates.get(`${namespace}/${name}`);
    if (candidate === undefined) {
      return;
    }
    this.#candidates.delete(`${namespace}/${name}`);
    for (const place of placesOf(candidate)) {
      const left = this.#byImage.get(place)?.filter((other) => other !== candidate) ?? [];
      if (left.length === 0) {
        this.#byImage.delete(place);
      } else {
        this.#byImage.set(place, left);
      }
    }
  }

  /**
   * The objects of one namespace that name an image, oldest first: by digest if the Pod gives one, else by tag. A tag beside
   * an unknown digest still finds the objects of that tag, to tell that the digest differs.
   */
  find(namespace: string, reference: Reference): readonly Candidate[] {
    const { tag, digest } = reference;
    const pinned =
      digest === undefined ? undefined : this.#byImage.get(placeOf(namespace, digestKey(reference, digest)));
    if (pinned !== undefined) {
      return pinned;
    }
    return (tag === undefined ? undefined : this.#byImage.get(placeOf(namespace, tagKey(reference)))) ?? [];
  }

  /** The oldest object of one namespace whose artifact, or a region's copy of it, an image is, which only a digest can tell. */
  findArtifact(namespace: string, reference: Reference): Candidate | undefined {
    const { digest } = reference;
    return digest === undefined
      ? undefined
      : this.#byImage.get(artifactPlaceOf(namespace, digestKey(reference, digest)))?.[0];
  }
}

/** No namespace holds a space. */
function placeOf(namespace: string, key: string): string {
  return `${namespace} ${key}`;
}

/** No key of an image holds one either. */
function artifactPlaceOf(namespace: string, key: string): string {
  return `${namespace} artifact ${key}`;
}

function placesOf({ namespace, keys, artifact, copies }: Candidate): readonly string[] {
  // A Pod that runs a copy runs it whatever became of the copy since.
  const made = [artifact, ...[...copies.values()].map(({ pullable }) => pullable)].filter((each) => each !== undefined);
  return [
    ...keys.map((key) => placeOf(namespace, key)),
    ...new Set(made.map(({ key }) => artifactPlaceOf(namespace, key))),
  ];
}

function byAge(left: Candidate, right: Candidate): number {
  return compare(left.createdAt, right.createdAt) || compare(left.name, right.name);
}

function compare(left: string, right: string): number {
  return left < right ? -1 : Number(left > right);
}
