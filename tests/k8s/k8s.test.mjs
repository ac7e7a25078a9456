// deploy/k8s, without a cluster: kubectl builds it, its schema is Kubernetes' own, and it agrees with
// the settings table, the images and docker-compose.yml.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { flows } from './flows.mjs';
import { build, facts } from './manifests.mjs';
import { named, rules } from './rules.mjs';

const pairs = (froms, to) => froms.map((from) => `${from} > ${to}`);
const kore = ['auth', 'message', 'presence'];
const services = [...kore, 'llm-responder'];
const ours = [...services, 'gateway'];
const basicFlows = [
  ...pairs(ours, 'dns:53'), ...kore.map((name) => `gateway > ${name}:8080`), ...services.map((name) => `prometheus > ${name}:8080`),
];
const storeFlows = [...pairs(ours, 'private:6379'), ...pairs(services, 'private:27017')];

const variants = {
  production: { edits: [], flows: [...basicFlows, ...storeFlows, 'ingress > gateway:8080'] },
  'single-node': { edits: [], flows: [...basicFlows, ...pairs(ours, 'redis:6379'), 'redis > dns:53', 'ingress > gateway:8080'] },
  'production with all components': {
    overlay: 'production', edits: [['production/kustomization.yaml', '# - ../', '  - ../']],
    flows: [...basicFlows, ...storeFlows, 'llm-responder > internet:443',
      ...['ingress', 'prometheus', 'system', 'dns', 'stranger', 'private', 'metadata', 'internet'].map((name) => `${name} > gateway:8080`)],
  },
};

let known;
before(async () => { known = await facts(); });

for (const [name, variant] of Object.entries(variants)) {
  describe(name, () => {
    let built;
    before(async () => { built = await build(variant.overlay ?? name, variant.edits); });

    test('kubectl builds it without a warning', () => assert.equal(built.warnings, ''));
    test('its schema is that of Kubernetes 1.27 and 1.37', () => assert.deepEqual(built.schemaFaults, { 1.27: '', 1.37: '' }));
    for (const [title, rule] of Object.entries(rules)) test(title, () => assert.deepEqual([...rule(built.objects, known)], []));
    test('each needed flow may be, and no other', () => assert.deepEqual(flows(built.objects), variant.flows.sort()));
  });
}

describe('by-hand', () => {
  test('is a pod that has the volume of single-node and the rights of its services, and no network', async () => {
    const { objects, warnings, schemaFaults } = await build('by-hand');
    assert.equal(warnings, '');
    assert.deepEqual(schemaFaults, { 1.27: '', 1.37: '' });
    const { objects: node } = await build('single-node');
    const service = named(node, 'Deployment', 'message').spec.template.spec;
    assert.deepEqual(objects.map(({ kind }) => kind), ['Pod']);
    const [{ metadata, spec }] = objects;
    assert.equal(metadata.namespace, named(node, 'Deployment', 'message').metadata.namespace);
    assert.equal(metadata.labels['app.kubernetes.io/component'], undefined, 'what is scaled and waited for is not this');
    for (const name of ['securityContext', 'automountServiceAccountToken', 'enableServiceLinks']) assert.deepEqual(spec[name], service[name]);
    const [container] = spec.containers;
    assert.equal(container.image, service.containers[0].image);
    assert.deepEqual(container.securityContext, service.containers[0].securityContext);
    assert.ok(container.resources.limits.memory);
    const isOfData = ({ name }) => name === 'data';
    assert.deepEqual(spec.volumes, service.volumes.filter(isOfData));
    assert.deepEqual(container.volumeMounts, service.containers[0].volumeMounts.filter(isOfData));
    assert.deepEqual(flows([...node, ...objects]), variants['single-node'].flows.sort());
  });
});

describe('mistakes are found', () => {
  let objects;
  before(async () => { ({ objects } = await build('single-node')); });
  const presence = (all) => named(all, 'Deployment', 'presence').spec;
  const main = (all) => presence(all).template.spec.containers[0];

  test('a misspelt field', async () => {
    const { schemaFaults } = await build('single-node', [['base/service.yaml', 'timeoutSeconds', 'timeoutSecond']]);
    for (const faults of Object.values(schemaFaults)) assert.match(faults, /timeoutSecond/);
  });

  const mistakes = {
    'a misspelt setting': ['settingsAreKnown', (all) => { main(all).env.push({ name: 'DRAIN_SECOND', value: '1' }); }],
    "another service's setting": ['settingsAreKnown', (all) => { main(all).env.push({ name: 'LLM_MODEL', value: 'm' }); }],
    'a secret in the environment': ['settingsAreKnown', (all) => { main(all).env.push({ name: 'JWT_SECRET', value: 's' }); }],
    'a Secret that nobody creates': ['settingsAreKnown', (all) => { presence(all).template.spec.volumes.find(({ secret }) => secret).secret.secretName = 'x'; }],
    'a second store': ['settingsAreKnown', (all) => { main(all).env.push({ name: 'MONGO_DB_URI_FILE', value: '/secrets/redis/redis.url' }); }],
    'another port': ['portsMatch', (all) => { main(all).ports[0].containerPort = 8081; }],
    'a Service for nobody': ['portsMatch', (all) => { named(all, 'Service', 'gateway').spec.selector = { a: 'b' }; }],
    'a liveness that asks the store': ['probesAskTheRight', (all) => { main(all).livenessProbe.httpGet.path = '/readyz'; }],
    'a root that can be written to': ['podsAreHardened', (all) => { delete main(all).securityContext.readOnlyRootFilesystem; }],
    'no limit of memory': ['podsAreHardened', (all) => { delete main(all).resources.limits; }],
    "a selector that is another's, too": ['namesMatch', (all) => { presence(all).selector.matchLabels = { 'app.kubernetes.io/part-of': 'parley' }; }],
    'a volume that is not there': ['namesMatch', (all) => { all.splice(all.findIndex(({ kind }) => kind === 'PersistentVolumeClaim'), 1); }],
    'another image': ['imagesAreComposes', (all) => { main(all).image = 'parley-gateway'; }],
    'an end that is cut short': ['endingLosesNothing', (all) => { presence(all).template.spec.terminationGracePeriodSeconds = 25; }],
    'an update that begins with an end': ['endingLosesNothing', (all) => { presence(all).strategy.rollingUpdate.maxUnavailable = 1; }],
  };
  for (const [title, [rule, make]] of Object.entries(mistakes)) {
    test(title, () => {
      const wrong = structuredClone(objects);
      make(wrong);
      assert.equal([...rules[rule](wrong, known)].length > 0, true);
    });
  }

  test('a flow too many, and one too few', () => {
    const wide = structuredClone(objects);
    delete named(wide, 'NetworkPolicy', 'services-from-gateway').spec.ingress[0].from;
    assert.ok(flows(wide).includes('stranger > auth:8080'));
    const narrow = objects.filter(({ metadata }) => metadata.name !== 'services-from-gateway');
    assert.deepEqual(flows(objects).filter((flow) => !flows(narrow).includes(flow)), kore.map((name) => `gateway > ${name}:8080`));
  });
});
