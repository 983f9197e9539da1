// Everything that one Canalis service needs, in one resource group. `canalis deploy` fills the parameters in;
// what each value is for is said where it is used. Kept to what both parsers of tests/infra can read.

targetScope = 'resourceGroup'

@description('Begins the name of every resource: lower-case letters, digits and hyphens.')
@minLength(3)
@maxLength(12)
param name string = 'canalis'

@description('Where everything stands. One region: a message never leaves it.')
param location string = resourceGroup().location

@description('frugal keeps nothing warm; responsive keeps one instance for HTTP and one for the orchestrator.')
@allowed([
  'frugal'
  'responsive'
])
param profile string = 'frugal'

@description('The name of the workspace, as scripts and config.json have it.')
param workspace string = 'canalis'

@description('The tenant whose access tokens open the service.')
param tenantId string = tenant().tenantId

@description('The client id of the service\'s own application in Entra ID: the audience of those tokens.')
param audience string

@description('The most instances of each group of functions: the ceiling of what a flood of steps can cost. Azure takes 40 everywhere.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('The queues, as canalis/contract/messages.py names them; a test compares the two.')
param queues array = [
  'orchestrator'
  'steps-process'
  'steps-databricks'
  'steps-transfer'
  'watch'
  'submissions'
  'notices'
  'dead-letters'
]

@description('Queues of others, for answers to what they have put on the queue submissions. Every name begins with replies.')
param replyQueues array = [
  'replies'
]

@description('Topics of others. Whoever wants to hear of runs subscribes; the service reads none of them.')
param topics array = [
  'run-events'
]

@description('The topic to which the end of every run is published; empty for none, which costs less.')
param eventsTopic string = ''

@description('Hosts that webhooks may be on, with commas between them: names, *.<suffix>, or * for all that are public.')
param webhookHosts string = '*'

@description('Hosts of Azure DevOps that may be called back, with commas between them; nobody is when empty.')
param callbackHosts string = ''

@description('The Key Vault in which authors keep their secrets, as an address; when empty they lie sealed in the storage account.')
param authorsVaultUrl string = ''

@description('Make the key that signs the tokens of runs. Once: another key ends every token that is under way.')
param makeRunKey bool = false

@description('Random parts of that key; never the same twice, and in no deployment\'s record.')
@secure()
param runKeyFirst string = newGuid()

@description('See runKeyFirst.')
@secure()
param runKeySecond string = newGuid()

@description('Who is told when something needs a person, or money; nobody when empty.')
param alertEmail string = ''

@description('What a month may cost, in the currency of the bill, before somebody is told; no budget when 0.')
@minValue(0)
param monthlyBudget int = 20

@description('The first day of the month in which the budget was made. Azure refuses to move it later.')
param budgetStart string = utcNow('yyyy-MM-01')

@description('Days that what was deleted can be brought back, in the vault and among the blobs.')
@minValue(7)
@maxValue(90)
param softDeleteDays int = 7

@description('The most that the logs of a day may fill, in GB: what a loop in a log can cost.')
@minValue(1)
param logsPerDayGb int = 1

@description('How much of the app\'s telemetry is kept, in percent. All of it: a day\'s ceiling is set above, and errors are sampled too.')
@minValue(1)
@maxValue(100)
param samplingPercentage int = 100

var unique = uniqueString(resourceGroup().id, name)
var tags = {
  canalis: name
}
var watched = !empty(alertEmail)

module identities 'modules/identities.bicep' = {
  name: 'canalis-identities'
  params: {
    name: name
    location: location
    tags: tags
  }
}

module logs 'modules/logs.bicep' = {
  name: 'canalis-logs'
  params: {
    name: name
    location: location
    tags: tags
    logsPerDayGb: logsPerDayGb
    samplingPercentage: samplingPercentage
    controlPrincipalId: identities.outputs.controlPrincipalId
  }
}

module storage 'modules/storage.bicep' = {
  name: 'canalis-storage'
  params: {
    // At most 24 characters, letters and digits only: 2 + 9 + 13.
    name: 'st${take(replace(toLower(name), '-', ''), 9)}${unique}'
    location: location
    tags: tags
    softDeleteDays: softDeleteDays
    controlPrincipalId: identities.outputs.controlPrincipalId
    logsId: logs.outputs.workspaceId
  }
}

module bus 'modules/bus.bicep' = {
  name: 'canalis-bus'
  params: {
    name: '${name}-bus-${unique}'
    location: location
    tags: tags
    queues: queues
    replyQueues: replyQueues
    topics: topics
    controlPrincipalId: identities.outputs.controlPrincipalId
    logsId: logs.outputs.workspaceId
  }
}

module vault 'modules/vault.bicep' = {
  name: 'canalis-vault'
  params: {
    // At most 24 characters: 3 + 8 + 13. A hyphen may not stand beside another, so those of the name go.
    name: 'kv-${take(replace(toLower(name), '-', ''), 8)}${unique}'
    location: location
    tags: tags
    softDeleteDays: softDeleteDays
    makeRunKey: makeRunKey
    runKey: '${runKeyFirst}${runKeySecond}'
    controlPrincipalId: identities.outputs.controlPrincipalId
    logsId: logs.outputs.workspaceId
  }
}

module app 'modules/app.bicep' = {
  name: 'canalis-app'
  params: {
    name: '${name}-${unique}'
    location: location
    tags: tags
    profile: profile
    maximumInstanceCount: maximumInstanceCount
    workspace: workspace
    tenantId: tenantId
    audience: audience
    controlId: identities.outputs.controlId
    controlClientId: identities.outputs.controlClientId
    storageName: storage.outputs.name
    tablesUrl: storage.outputs.tablesUrl
    blobsUrl: storage.outputs.blobsUrl
    packagesUrl: storage.outputs.packagesUrl
    busHost: bus.outputs.host
    runKeyUri: vault.outputs.runKeyUri
    eventsTopic: eventsTopic
    webhookHosts: webhookHosts
    callbackHosts: callbackHosts
    authorsVaultUrl: authorsVaultUrl
    insightsConnection: logs.outputs.insightsConnection
  }
}

module alerts 'modules/alerts.bicep' = if (watched) {
  name: 'canalis-alerts'
  params: {
    name: name
    tags: tags
    alertEmail: alertEmail
    busId: bus.outputs.id
  }
}

module budget 'modules/budget.bicep' = if (watched && monthlyBudget > 0) {
  name: 'canalis-budget'
  params: {
    name: name
    alertEmail: alertEmail
    monthlyBudget: monthlyBudget
    budgetStart: budgetStart
  }
}

output url string = app.outputs.url
output app string = app.outputs.name
output storage string = storage.outputs.name
output bus string = bus.outputs.name
output vault string = vault.outputs.name
output runner string = identities.outputs.runnerId
