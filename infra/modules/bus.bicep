// The bus. Messages carry ids and no authority; the record of the run is the truth, and the sweep makes a lost message
// again. So the settings below are about what must not happen: a message that counts twice, or that goes without a word.

param name string
param location string
param tags object
param queues array
param replyQueues array
param topics array
param controlPrincipalId string
param logsId string

var serviceBusDataSender = '69a216fc-b8fb-44d8-bc22-1f3c2cd27a39'
var serviceBusDataReceiver = '4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0'
var roles = [
  serviceBusDataSender
  serviceBusDataReceiver
]

// Standard: the cheapest tier with duplicate detection. Basic has none, nor scheduled messages.
resource namespace 'Microsoft.ServiceBus/namespaces@2024-01-01' = {
  name: name
  location: location
  tags: tags
  sku: {
    name: 'Standard'
    tier: 'Standard'
  }
  properties: {
    disableLocalAuth: true
    minimumTlsVersion: '1.2'
    publicNetworkAccess: 'Enabled' // private endpoints are Premium's, at many times the price
  }
}

resource queue 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' = [for item in queues: {
  parent: namespace
  name: item
  properties: {
    // A handler ends within a minute and the host renews its lock; after a crash the message is back as soon.
    lockDuration: 'PT1M'
    // The code gives a message up at five and says so on its run. Ten leaves room for tries that ended before the code
    // began; what the host gives up then is read from the queue's own dead letters.
    maxDeliveryCount: 10
    // A batch that was sent twice, since its answer was lost, arrives once. Ten minutes outlast every retry of a sender.
    requiresDuplicateDetection: true
    duplicateDetectionHistoryTimeWindow: 'PT10M'
    // Two weeks: a long outage must not read as failed steps. What lies longer is nobody's, but is not dropped unseen.
    defaultMessageTimeToLive: 'P14D'
    deadLetteringOnMessageExpiration: true
    // A message is below 1 KB: this is a million of them. A full queue refuses, and the outbox keeps what was refused.
    maxSizeInMegabytes: 1024
    requiresSession: false // order is not needed, and a session would hold all news of a run in one line
    enablePartitioning: false
  }
}]

// What is for others. Nobody may ever read it: it goes after a while and leaves no dead letters, which would wake people.
resource reply 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' = [for answers in replyQueues: {
  parent: namespace
  name: answers
  properties: {
    // An answer that was sent again, since nobody knew whether it had come, arrives once.
    requiresDuplicateDetection: true
    duplicateDetectionHistoryTimeWindow: 'PT10M'
    defaultMessageTimeToLive: 'P14D'
    deadLetteringOnMessageExpiration: false
    maxSizeInMegabytes: 1024
  }
}]

// Without a subscription what is published goes nowhere, and costs as much as a message that is sent.
resource topic 'Microsoft.ServiceBus/namespaces/topics@2024-01-01' = [for news in topics: {
  parent: namespace
  name: news
  properties: {
    requiresDuplicateDetection: true
    duplicateDetectionHistoryTimeWindow: 'PT10M'
    defaultMessageTimeToLive: 'P14D'
    maxSizeInMegabytes: 1024
  }
}]

resource access 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in roles: {
  name: guid(namespace.id, controlPrincipalId, role)
  scope: namespace
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
    principalId: controlPrincipalId
    principalType: 'ServicePrincipal'
  }
}]

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'canalis'
  scope: namespace
  properties: {
    workspaceId: logsId
    logs: [
      {
        category: 'OperationalLogs'
        enabled: true
      }
    ]
    metrics: [
      {
        category: 'AllMetrics'
        enabled: true
      }
    ]
  }
}

output id string = namespace.id
output name string = namespace.name
output host string = '${namespace.name}.servicebus.windows.net'
