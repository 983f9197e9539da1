// One account: the record of all runs in a table, everything that has bytes in blobs, and the app's own package.
// No key opens it: only Entra ID, and links to one blob that the app signs with its identity.

param name string
param location string
param tags object
param softDeleteDays int
param controlPrincipalId string
param logsId string

// Blob Data Contributor can also ask for the key that links are signed with, so Blob Delegator is not needed beside it.
// Functions keeps its leases and its timer's state in the same account, and needs both roles for that as well.
var storageBlobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var storageTableDataContributor = '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
var roles = [
  storageBlobDataContributor
  storageTableDataContributor
]
var packages = 'packages'
var containers = [
  'canalis'
  packages
]

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: 'Standard_LRS' // three copies in one place; another place is a choice of price (Standard_ZRS, Standard_GRS)
  }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowSharedKeyAccess: false
    allowCrossTenantReplication: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    // Authors send and fetch files by links from wherever they are, so the endpoints are public and the links short-lived.
    publicNetworkAccess: 'Enabled'
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: 'Allow'
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2023-05-01' = {
  parent: account
  name: 'default'
  properties: {
    // What was deleted or overwritten can be brought back for this long, and is paid for as long. Logs are appended to,
    // which keeps no old copies, and blobs under a hash are never overwritten: it stays cheap.
    deleteRetentionPolicy: {
      enabled: true
      days: softDeleteDays
    }
    containerDeleteRetentionPolicy: {
      enabled: true
      days: softDeleteDays
    }
  }
}

resource container 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = [for item in containers: {
  parent: blobs
  name: item
  properties: {
    publicAccess: 'None'
  }
}]

resource tableService 'Microsoft.Storage/storageAccounts/tableServices@2023-05-01' = {
  parent: account
  name: 'default'
}

resource table 'Microsoft.Storage/storageAccounts/tableServices/tables@2023-05-01' = {
  parent: tableService
  name: 'canalis'
}

// Under incoming/ lies what an author has sent and the service has not looked at yet: minutes, unless it was given up.
resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2023-05-01' = {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: [
        {
          name: 'forget-what-was-never-asked-for'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: {
              blobTypes: [
                'blockBlob'
              ]
              prefixMatch: [
                'canalis/incoming/'
              ]
            }
            actions: {
              baseBlob: {
                delete: {
                  daysAfterModificationGreaterThan: 1
                }
              }
            }
          }
        }
      ]
    }
  }
}

resource access 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in roles: {
  name: guid(account.id, controlPrincipalId, role)
  scope: account
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
    principalId: controlPrincipalId
    principalType: 'ServicePrincipal'
  }
}]

// Only deletions: a line for each of the dozen operations of a step would cost more than the operations do.
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'canalis'
  scope: blobs
  properties: {
    workspaceId: logsId
    logs: [
      {
        category: 'StorageDelete'
        enabled: true
      }
    ]
  }
}

output name string = account.name
output tablesUrl string = 'https://${account.name}.table.${environment().suffixes.storage}'
output blobsUrl string = 'https://${account.name}.blob.${environment().suffixes.storage}'
output packagesUrl string = 'https://${account.name}.blob.${environment().suffixes.storage}/${packages}'
