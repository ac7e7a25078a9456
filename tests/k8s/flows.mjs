// Who may connect to whom under a set of NetworkPolicies, worked out as the API's reference says: a pod
// that a policy selects may only what one of them allows; a flow needs both of its ends.
import { BlockList } from 'node:net';
import { ofKind, selects } from './rules.mjs';

const PORTS = [53, 80, 443, 6379, 8080, 8081, 9090, 27017];

/** What is around Parley in a cluster, and outside of it. */
const AROUND = [
  { name: 'ingress', namespace: 'ingress-nginx', labels: {} },
  { name: 'prometheus', namespace: 'monitoring', labels: {} },
  { name: 'dns', namespace: 'kube-system', labels: { 'k8s-app': 'kube-dns' } },
  { name: 'system', namespace: 'kube-system', labels: {} },
  { name: 'stranger', namespace: 'default', labels: { 'app.kubernetes.io/name': 'gateway', 'app.kubernetes.io/component': 'service' } },
  { name: 'private', ip: '10.1.2.3' },
  { name: 'metadata', ip: '169.254.169.254' },
  { name: 'internet', ip: '93.184.215.14' },
];

function isIn({ cidr, except = [] }, ip) {
  const within = (range) => {
    const list = new BlockList();
    list.addSubnet(range.replace(/\/.*/, ''), Number(range.replace(/.*\//, '')));
    return list.check(ip);
  };
  return within(cidr) && !except.some(within);
}

function isPeer(peer, end) {
  if (peer.ipBlock) return end.ip !== undefined && isIn(peer.ipBlock, end.ip);
  if (end.ip !== undefined) return false;
  const ofNamespace = peer.namespaceSelector
    ? selects(peer.namespaceSelector, { 'kubernetes.io/metadata.name': end.namespace }) : end.namespace === 'parley';
  return ofNamespace && selects(peer.podSelector ?? {}, end.labels);
}

function mayBy(policies, type, own, other, port) {
  if (own.namespace !== 'parley') return true; // others' policies are not ours
  const inForce = policies.filter(({ spec }) => spec.policyTypes.includes(type) && selects(spec.podSelector, own.labels));
  const [rules, peers] = type === 'Ingress' ? ['ingress', 'from'] : ['egress', 'to'];
  return inForce.length === 0 || inForce.flatMap(({ spec }) => spec[rules] ?? []).some((rule) =>
    (!rule.ports || rule.ports.some((one) => one.port === port)) && (!rule[peers] || rule[peers].some((peer) => isPeer(peer, other))));
}

/** ["auth > dns:53", ...]: every flow that has an end in Parley and may be. */
export function flows(objects) {
  const policies = ofKind(objects, 'NetworkPolicy');
  const ends = [...AROUND, ...ofKind(objects, 'Deployment').map(({ metadata, spec }) =>
    ({ name: metadata.name, namespace: 'parley', labels: spec.template.metadata.labels }))];
  const found = [];
  for (const from of ends) {
    for (const to of ends) {
      if (from === to || ![from, to].some(({ namespace }) => namespace === 'parley')) continue;
      for (const port of PORTS) {
        if (mayBy(policies, 'Egress', from, to, port) && mayBy(policies, 'Ingress', to, from, port)) found.push(`${from.name} > ${to.name}:${port}`);
      }
    }
  }
  return found.sort();
}
