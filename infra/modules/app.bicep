// The app: function_app.py on Flex Consumption, which scales each Service Bus function by its queue, HTTP apart from
// them, and all of them to zero.

param name string
param location string
param tags object

@allowed([
  'frugal'
  'responsive'
])
param profile string
param maximumInstanceCount int
param workspace string
param tenantId string
param audience string
param controlId string
param controlClientId string
param storageName string
param tablesUrl string
param blobsUrl string
param packagesUrl string
param busHost string
param runKeyUri string
param insightsConnection string
param eventsTopic string
param webhookHosts string
param callbackHosts string
param authorsVaultUrl string

@description('The function that carries news into runs, as function_app.py names it.')
param orchestratorFunction string = 'orchestrator'

var warm = [
  {
    name: 'http'
    instanceCount: 1
  }
  {
    name: 'function:${orchestratorFunction}'
    instanceCount: 1
  }
]

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: '${name}-plan'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true // Linux
  }
}

resource site 'Microsoft.Web/sites@2024-04-01' = {
  name: name
  location: location
  tags: tags
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${controlId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: 'Enabled' // every request needs a token of Entra ID, or of a run; health alone does not
    keyVaultReferenceIdentity: controlId
    clientAffinityEnabled: false
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: packagesUrl
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: controlId
          }
        }
      }
      runtime: {
        name: 'python'
        version: '3.12'
      }
      scaleAndConcurrency: {
        instanceMemoryMB: 2048 // pandas and scikit-learn in one step fit beside the host; 512 would not hold them
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: profile == 'responsive' ? warm : []
      }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      ftpsState: 'Disabled'
      http20Enabled: true
      remoteDebuggingEnabled: false
      appSettings: [
        {
          name: 'AzureWebJobsStorage__accountName'
          value: storageName
        }
        {
          name: 'AzureWebJobsStorage__credential'
          value: 'managedidentity'
        }
        {
          name: 'AzureWebJobsStorage__clientId'
          value: controlClientId
        }
        {
          name: 'APPLICATIONINSIGHTS_CONNECTION_STRING'
          value: insightsConnection // an address; keys are switched off
        }
        {
          name: 'APPLICATIONINSIGHTS_AUTHENTICATION_STRING'
          value: 'ClientId=${controlClientId};Authorization=AAD'
        }
        {
          name: 'AZURE_CLIENT_ID'
          value: controlClientId
        }
        {
          name: 'CANALIS_TABLES'
          value: tablesUrl
        }
        {
          name: 'CANALIS_BLOBS'
          value: blobsUrl
        }
        {
          name: 'CANALIS_BUS__fullyQualifiedNamespace'
          value: busHost
        }
        {
          name: 'CANALIS_BUS__credential'
          value: 'managedidentity'
        }
        {
          name: 'CANALIS_BUS__clientId'
          value: controlClientId
        }
        {
          name: 'CANALIS_WORKSPACE'
          value: workspace
        }
        {
          name: 'CANALIS_SUBSCRIPTION'
          value: subscription().subscriptionId
        }
        {
          name: 'CANALIS_RESOURCE_GROUP'
          value: resourceGroup().name
        }
        {
          name: 'CANALIS_LOCATION'
          value: location
        }
        {
          name: 'CANALIS_TENANTS'
          value: tenantId
        }
        {
          name: 'CANALIS_AUDIENCE'
          value: audience
        }
        {
          name: 'CANALIS_RUN_KEY'
          value: '@Microsoft.KeyVault(SecretUri=${runKeyUri})'
        }
        {
          name: 'CANALIS_EVENTS_TOPIC'
          value: eventsTopic
        }
        {
          name: 'CANALIS_WEBHOOK_HOSTS'
          value: webhookHosts
        }
        {
          name: 'CANALIS_CALLBACK_HOSTS'
          value: callbackHosts
        }
        {
          name: 'CANALIS_VAULT'
          value: authorsVaultUrl
        }
      ]
    }
  }
}

// Whoever deploys signs in with Entra ID; the user names and passwords of the site are switched off.
resource noPasswords 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = [for item in ['ftp', 'scm']: {
  parent: site
  name: item
  properties: {
    allow: false
  }
}]

output name string = site.name
output url string = 'https://${site.properties.defaultHostName}'
