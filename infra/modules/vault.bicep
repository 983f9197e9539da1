// Holds one secret: the key that signs the tokens which runs have. Everything else is opened by identities.

param name string
param location string
param tags object
param softDeleteDays int
param makeRunKey bool

@secure()
@description('Two GUIDs in a row, 244 random bits; used only when makeRunKey is set.')
@minLength(32)
param runKey string
param controlPrincipalId string
param logsId string

var keyVaultSecretsUser = '4633458b-17de-408a-b874-0445c86b69e6'
var runKeyName = 'run-key'

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: softDeleteDays
    enablePurgeProtection: true // nobody can end all runs by deleting the key for good
    publicNetworkAccess: 'Enabled' // a setting that refers to the vault is resolved from the app's changing addresses
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: 'Allow'
    }
  }
}

// Never written again by a later deployment, which has other random parts: see makeRunKey in main.bicep.
resource secret 'Microsoft.KeyVault/vaults/secrets@2023-07-01' = if (makeRunKey) {
  parent: vault
  name: runKeyName
  properties: {
    value: runKey
    contentType: 'text/plain'
    attributes: {
      enabled: true
    }
  }
}

resource access 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, controlPrincipalId, keyVaultSecretsUser)
  scope: vault
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', keyVaultSecretsUser)
    principalId: controlPrincipalId
    principalType: 'ServicePrincipal'
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'canalis'
  scope: vault
  properties: {
    workspaceId: logsId
    logs: [
      {
        category: 'AuditEvent'
        enabled: true
      }
    ]
  }
}

output name string = vault.name
// Without a version, so that the app takes a rotated key up by itself.
output runKeyUri string = '${vault.properties.vaultUri}secrets/${runKeyName}'
