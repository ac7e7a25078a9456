// Makes the user that Parley's services are at MongoDB: readWrite on their database, and nothing else.
// For mongosh, as root; it may be run again, and gives the user the password and the rights anew.
const fs = require('fs');
const read = (name) => fs.readFileSync(`/secrets/${name}`, 'utf8').trim();

const TRIES = 60; // of a second and more: a new server takes some time
const root = `mongodb://parley:${read('mongo.password')}@mongo:27017/parley?authSource=admin&serverSelectionTimeoutMS=2000`;
let parley;
for (let i = 1; !parley; i++) {
  try {
    parley = connect(root);
  } catch (error) {
    if (i === TRIES) throw error;
    sleep(1000);
  }
}
const account = { pwd: read('mongo.service.password'), roles: [{ role: 'readWrite', db: 'parley' }] };
if (parley.getUser('service')) parley.updateUser('service', account);
else parley.createUser({ user: 'service', ...account });
print('MongoDB knows the user "service"');
