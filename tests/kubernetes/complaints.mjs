// What Kubernetes' published schemas have to say about documents: a JSON list of them comes in, a JSON list of lists
// of complaints goes out. Started by tests/kubernetes/main.rs; the first argument is the folder of the packages.
//
// The validators are the ones that kubernetes-models generates from the types of Kubernetes, the Gateway API and
// Envoy Gateway. They say nothing about a field that they do not know, so this notes which fields they look at:
// the others are unknown, as they would be to a server.

import { pathToFileURL } from "node:url";
import { join } from "node:path";
import { text } from "node:stream/consumers";

const GROUPS = {
  v1: ["kubernetes-models", "IoK8sApiCoreV1"],
  "apps/v1": ["kubernetes-models", "IoK8sApiAppsV1"],
  "networking.k8s.io/v1": ["kubernetes-models", "IoK8sApiNetworkingV1"],
  "gateway.networking.k8s.io/v1": ["@kubernetes-models/gateway-api", "IoK8sSigsGatewayApiApisV1"],
  "gateway.networking.k8s.io/v1beta1": ["@kubernetes-models/gateway-api", "IoK8sSigsGatewayApiApisV1beta1"],
  "gateway.envoyproxy.io/v1alpha1": ["@kubernetes-models/envoy-gateway", "ComGithubEnvoyproxyGatewayApiV1alpha1"],
};

const packages = process.argv[2];

async function validator({ apiVersion, kind }) {
  const [name, prefix] = GROUPS[apiVersion] ?? [];
  if (!name || !/^[A-Za-z]+$/.test(kind ?? "")) return null;
  const file = join(packages, "node_modules", name, "_schemas", `${prefix}${kind}.js`);
  return import(pathToFileURL(file)).then((module) => module.validate, () => null);
}

/** `value` as it is, noting in `seen` the path of every own field that somebody reads. */
function watched(value, path, seen) {
  if (value === null || typeof value !== "object") return value;
  return new Proxy(value, {
    get(target, key) {
      const own = typeof key === "string" && Object.hasOwn(target, key);
      if (!own) return target[key];
      seen.add(`${path}/${key}`);
      return watched(target[key], `${path}/${key}`, seen);
    },
  });
}

/** The outermost fields of `value` that nobody has read. */
function unread(value, path, seen) {
  if (value === null || typeof value !== "object") return [];
  return Object.entries(value).flatMap(([key, child]) => {
    const here = `${path}/${key}`;
    return seen.has(here) ? unread(child, here, seen) : [`${here} is unknown`];
  });
}

async function complaints(document) {
  const validate = await validator(document);
  if (!validate) return [`there is no ${document.apiVersion} ${document.kind}`];
  const seen = new Set();
  const good = validate(watched(document, "", seen));
  const errors = good ? [] : validate.errors.map(({ instancePath, keyword }) => `${instancePath || "/"}: ${keyword}`);
  return [...errors, ...unread(document, "", seen)];
}

const documents = JSON.parse(await text(process.stdin));
const answers = [];
for (const document of documents) answers.push(await complaints(document));
process.stdout.write(JSON.stringify(answers));
