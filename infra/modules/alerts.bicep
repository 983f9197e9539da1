// Tells a person what the service cannot mend by itself.

param name string
param tags object
param alertEmail string
param busId string

// `queue` is one of them, or * for each by itself.
var alerts = [
  {
    name: 'given-up'
    said: 'The host has given a message up, and for minutes nobody has recorded it on its run'
    metric: 'DeadletteredMessages'
    queue: '*'
    over: 0
    window: 'PT15M'
    severity: 1
  }
  {
    name: 'not-ours'
    said: 'The queue dead-letters has messages that start nothing, or are none of ours: each has its reason. Who has sent them?'
    metric: 'ActiveMessages'
    queue: 'dead-letters'
    over: 0
    window: 'PT5M'
    severity: 2
  }
  {
    name: 'backlog'
    said: 'More than ten thousand messages have waited for half an hour: the app does not run, or does not keep up'
    metric: 'ActiveMessages'
    queue: '*'
    over: 10000
    window: 'PT30M'
    severity: 2
  }
]

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: '${name}-people'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: take(name, 12)
    emailReceivers: [
      {
        name: 'operator'
        emailAddress: alertEmail
        useCommonAlertSchema: true
      }
    ]
  }
}

resource alert 'Microsoft.Insights/metricAlerts@2018-03-01' = [for item in alerts: {
  name: '${name}-${item.name}'
  location: 'global'
  tags: tags
  properties: {
    description: item.said
    enabled: true
    severity: item.severity
    scopes: [
      busId
    ]
    evaluationFrequency: 'PT5M'
    windowSize: item.window
    autoMitigate: true
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: item.name
          metricNamespace: 'Microsoft.ServiceBus/namespaces'
          metricName: item.metric
          operator: 'GreaterThan'
          threshold: item.over
          // The least within the window: what passes by itself wakes nobody.
          timeAggregation: 'Minimum'
          dimensions: [
            {
              name: 'EntityName'
              operator: 'Include'
              values: [
                item.queue
              ]
            }
          ]
        }
      ]
    }
    actions: [
      {
        actionGroupId: people.id
      }
    ]
  }
}]
