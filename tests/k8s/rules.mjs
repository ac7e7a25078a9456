// What must be true of deploy/k8s beyond its schema: each rule takes the objects and the facts, and
// gives the faults it finds, as sentences.
const KORE = ['auth', 'message', 'presence'];
const SERVICES = [...KORE, 'llm-responder'];
const DRAIN_MORE_S = 5; // after DRAIN_SECONDS, in http/service.c

export const ofKind = (objects, kind) => objects.filter((one) => one.kind === kind);
export const named = (objects, kind, name) => ofKind(objects, kind).find((one) => one.metadata.name === name);
const deployments = (objects) => ofKind(objects, 'Deployment').map((object) => {
  const { metadata: { labels }, spec: pod } = object.spec.template;
  return { name: object.metadata.name, object, labels, pod, main: pod.containers[0] };
});

/** Does a label selector choose these labels? */
export function selects(selector, labels) {
  const byLabel = Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels[key] === value);
  return byLabel && (selector.matchExpressions ?? []).every(({ key, operator, values }) => {
    if (operator !== 'In') throw new Error(`operator ${operator} is not known here`);
    return values.includes(labels[key]);
  });
}

/** {name: value} of a container's environment. */
function environment(objects, main) {
  const env = {};
  for (const { configMapRef } of main.envFrom ?? []) Object.assign(env, named(objects, 'ConfigMap', configMapRef.name)?.data);
  for (const { name, value } of main.env ?? []) env[name] = value;
  return env;
}

const portOf = (main, port) => (main.ports ?? []).find(({ name, containerPort }) => port === name || port === containerPort)?.containerPort;

function* settingsAreKnown(objects, { settings, documentedSecrets, readme, dataDir }) {
  for (const { name, pod, main } of deployments(objects)) {
    const env = environment(objects, main);
    for (const [full, value] of Object.entries(env)) {
      const plain = full.replace(/_FILE$/, '');
      const setting = settings.get(plain);
      if (!setting?.readers.includes(name)) yield `${name} does not read ${full}`;
      else if (setting.isSecret && full === plain) yield `${name}: the secret ${full} is no file`;
      if (full !== plain && !setting?.isSecret) yield `${name}: ${plain} may not come in a file`;
      if (!String(value).startsWith('/')) continue;
      const mount = main.volumeMounts.find(({ mountPath }) => value.startsWith(`${mountPath}/`));
      if (!pod.volumes.find((volume) => volume.name === mount?.name)?.secret) yield `${name}: no Secret is mounted at ${value}`;
      if (!readme.includes(value.replace(/.*\//, ''))) yield `deploy/README.md does not say what ${value} is`;
    }
    if (KORE.includes(name) && !env.JWT_SECRET_FILE) yield `${name} has no JWT_SECRET`;
    if (name !== 'redis' && !env.REDIS_URL_FILE) yield `${name} has no REDIS_URL`;
    const isOnSqlite = main.volumeMounts.some(({ mountPath }) => mountPath === dataDir);
    if (SERVICES.includes(name) && isOnSqlite === Boolean(env.MONGO_DB_URI_FILE)) yield `${name} has not one store`;
    for (const { secret } of pod.volumes) {
      if (!secret) continue;
      if (!documentedSecrets.has(secret.secretName)) yield `deploy/README.md does not create ${secret.secretName}`;
      if (secret.defaultMode !== 0o440) yield `${name}: others read ${secret.secretName}`;
    }
  }
}

function* portsMatch(objects, { servicePort, gatewayPort }) {
  const all = deployments(objects);
  for (const { name, main } of all) {
    const port = portOf(main, name === 'redis' ? 'redis' : 'http');
    const expected = { gateway: gatewayPort, redis: 6379 }[name] ?? servicePort;
    if (port !== expected) yield `${name} listens on ${expected}, not ${port}`;
    for (const kind of ['startupProbe', 'livenessProbe', 'readinessProbe']) {
      const by = main[kind]?.httpGet ?? main[kind]?.tcpSocket;
      if (by && !portOf(main, by.port)) yield `${name}: ${kind} asks at ${by.port}, which is no port`;
    }
  }
  for (const { metadata, spec } of ofKind(objects, 'Service')) {
    const chosen = all.filter(({ labels }) => selects({ matchLabels: spec.selector }, labels));
    if (chosen.length === 0) yield `Service ${metadata.name} selects no pod`;
    for (const { targetPort } of spec.ports) {
      for (const { name, main } of chosen) if (!portOf(main, targetPort)) yield `Service ${metadata.name}: ${name} has no port ${targetPort}`;
    }
  }
  for (const { spec } of ofKind(objects, 'Ingress')) {
    for (const { backend: { service } } of spec.rules.flatMap((rule) => rule.http.paths)) {
      const ports = named(objects, 'Service', service.name)?.spec.ports ?? [];
      if (!ports.some(({ name }) => name === service.port.name)) yield `Ingress: no Service ${service.name} with port ${service.port.name}`;
    }
  }
}

function* probesAskTheRight(objects) {
  for (const { name, main } of deployments(objects)) {
    for (const kind of ['startupProbe', 'livenessProbe', 'readinessProbe']) if (!main[kind]) yield `${name} has no ${kind}`;
    if (name === 'redis') continue;
    // What restarts a pod must not depend on Redis or the store.
    for (const kind of ['startupProbe', 'livenessProbe']) if (main[kind]?.httpGet?.path !== '/healthz') yield `${name}: ${kind} is not /healthz`;
    if (SERVICES.includes(name) && main.readinessProbe?.httpGet?.path !== '/readyz') yield `${name}: readinessProbe is not /readyz`;
  }
}

function* podsAreHardened(objects, { compose }) {
  for (const { name, pod, main } of deployments(objects)) {
    const { securityContext: own = {}, resources = {} } = main;
    const all = pod.securityContext ?? {};
    const wanted = {
      'one container': pod.containers.length === 1 && !pod.initContainers,
      runAsNonRoot: all.runAsNonRoot === true && `${all.runAsUser}:${all.runAsGroup}` === compose[name].user,
      seccomp: all.seccompProfile?.type === 'RuntimeDefault',
      'read-only root': own.readOnlyRootFilesystem === true,
      'no capabilities': own.capabilities?.drop?.join() === 'ALL' && !own.capabilities.add,
      'no escalation': own.allowPrivilegeEscalation === false,
      'no token': pod.automountServiceAccountToken === false,
      'no names of services in its environment': pod.enableServiceLinks === false,
      'nothing of the node': !pod.hostNetwork && !pod.hostPID && !pod.volumes.some(({ hostPath }) => hostPath),
      'requests of CPU and memory': Boolean(resources.requests?.cpu && resources.requests?.memory),
      "docker-compose.yml's limit of memory": resources.limits?.memory === `${parseInt(compose[name].mem_limit, 10)}Mi`,
    };
    for (const [what, holds] of Object.entries(wanted)) if (!holds) yield `${name}: ${what}`;
  }
}

function* namesMatch(objects) {
  const all = deployments(objects);
  const references = [];
  for (const { name, object, labels, pod, main } of all) {
    if (!selects(object.spec.selector, labels)) yield `${name} does not select its own pods`;
    if (all.some((other) => other.name !== name && selects(object.spec.selector, other.labels))) yield `${name} selects another's pods`;
    references.push(...(main.envFrom ?? []).map(({ configMapRef }) => ['ConfigMap', configMapRef.name]));
    references.push(...pod.volumes.filter((one) => one.persistentVolumeClaim).map((one) => ['PersistentVolumeClaim', one.persistentVolumeClaim.claimName]));
    for (const mount of main.volumeMounts) if (!pod.volumes.some((one) => one.name === mount.name)) yield `${name}: no volume ${mount.name}`;
    for (const { labelSelector } of [...(pod.topologySpreadConstraints ?? []), ...(pod.affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [])]) {
      if (!selects(labelSelector, labels)) yield `${name}: its place is chosen by pods that it is none of`;
    }
  }
  for (const { metadata, spec } of ofKind(objects, 'HorizontalPodAutoscaler')) {
    references.push([spec.scaleTargetRef.kind, spec.scaleTargetRef.name]);
    if (named(objects, 'Deployment', spec.scaleTargetRef.name)?.spec.replicas !== undefined) yield `${metadata.name}: applied again, it would lose its size`;
  }
  for (const [kind, name] of references) if (!named(objects, kind, name)) yield `there is no ${kind} ${name}`;
  const budgets = ofKind(objects, 'PodDisruptionBudget');
  for (const { name, labels } of budgets.length > 0 ? all : []) {
    if (budgets.filter(({ spec }) => selects(spec.selector, labels)).length !== 1) yield `${name} has not one PodDisruptionBudget`;
  }
  for (const object of objects) if (object.kind !== 'Namespace' && object.metadata.namespace !== 'parley') yield `${object.metadata.name} is in no namespace`;
}

function* imagesAreComposes(objects, { compose }) {
  const names = deployments(objects).map(({ name }) => name);
  for (const name of [...SERVICES, 'gateway']) if (!names.includes(name)) yield `${name} is missing`;
  for (const { name, main } of deployments(objects)) {
    const image = main.image.replace(/.*\//, '').replace(/:.*/, '');
    if (image !== compose[name].image) yield `${name}: the image is ${compose[name].image}, not ${image}`;
    if (`${main.args ?? ''}` !== `${compose[name].command ?? ''}`) yield `${name}: its arguments are ${main.args}`;
  }
}

function* endingLosesNothing(objects, { settings, gatewayAnswerS }) {
  for (const { name, object, pod, main } of deployments(objects)) {
    if (name === 'redis') continue;
    const { type, rollingUpdate: { maxUnavailable, maxSurge } = {} } = object.spec.strategy;
    if (type !== 'RollingUpdate' || maxUnavailable !== 0 || maxSurge !== 1) yield `${name}: an update begins with an end`;
    if (!(object.spec.minReadySeconds > 0)) yield `${name}: the gateway may not have seen a new pod`;
    const before = Number(main.lifecycle?.preStop?.exec?.command[1] ?? 0);
    if (name === 'gateway' && before < 5) yield 'gateway: the Ingress still sends to it when it ends';
    const env = environment(objects, main);
    const drain = Number(env.DRAIN_SECONDS ?? settings.get('DRAIN_SECONDS').preset) + DRAIN_MORE_S;
    const needed = before + (name === 'gateway' ? gatewayAnswerS : drain);
    if (!(pod.terminationGracePeriodSeconds > needed)) yield `${name}: ends in up to ${needed} s, and is killed after ${pod.terminationGracePeriodSeconds}`;
  }
}

export const rules = { settingsAreKnown, portsMatch, probesAskTheRight, podsAreHardened, namesMatch, imagesAreComposes, endingLosesNothing };
