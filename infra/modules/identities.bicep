// Two identities. The control plane's is the app's own; the roles it has stand beside what they open.
//
// `runner` is meant for author code that runs elsewhere, in jobs of its own. It is given nothing here: no backend starts
// such jobs yet, and a role that nobody needs is one that somebody can misuse. It is never attached to the app, since
// every process of an instance can ask for the tokens of the identities that are attached.

param name string
param location string
param tags object

resource control 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: '${name}-control'
  location: location
  tags: tags
}

resource runner 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: '${name}-runner'
  location: location
  tags: tags
}

output controlId string = control.id
output controlClientId string = control.properties.clientId
output controlPrincipalId string = control.properties.principalId
output runnerId string = runner.id
