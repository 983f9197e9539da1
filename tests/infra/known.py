"""What infra/ may use of Bicep and of Azure, with where each is known from."""

from __future__ import annotations

# Resource types and versions. Source: the template reference of each on learn.microsoft.com/azure/templates, whose
# address is the type in lower case; each version was also seen in public templates that people deploy (2026-11).
RESOURCES = {
    "Microsoft.Authorization/roleAssignments": {"2022-04-01"},
    "Microsoft.Consumption/budgets": {"2023-11-01"},
    "Microsoft.Insights/actionGroups": {"2023-01-01"},
    "Microsoft.Insights/components": {"2020-02-02"},
    "Microsoft.Insights/diagnosticSettings": {"2021-05-01-preview"},  # no other version is in use
    "Microsoft.Insights/metricAlerts": {"2018-03-01"},
    "Microsoft.KeyVault/vaults": {"2023-07-01"},
    "Microsoft.KeyVault/vaults/secrets": {"2023-07-01"},
    "Microsoft.ManagedIdentity/userAssignedIdentities": {"2023-01-31"},
    "Microsoft.OperationalInsights/workspaces": {"2023-09-01"},
    "Microsoft.ServiceBus/namespaces": {"2024-01-01"},
    "Microsoft.ServiceBus/namespaces/queues": {"2024-01-01"},
    "Microsoft.ServiceBus/namespaces/topics": {"2024-01-01"},
    "Microsoft.Storage/storageAccounts": {"2023-05-01"},
    "Microsoft.Storage/storageAccounts/blobServices": {"2023-05-01"},
    "Microsoft.Storage/storageAccounts/blobServices/containers": {"2023-05-01"},
    "Microsoft.Storage/storageAccounts/managementPolicies": {"2023-05-01"},
    "Microsoft.Storage/storageAccounts/tableServices": {"2023-05-01"},
    "Microsoft.Storage/storageAccounts/tableServices/tables": {"2023-05-01"},
    "Microsoft.Web/serverfarms": {"2024-04-01"},
    "Microsoft.Web/sites": {"2024-04-01"},  # the first stable ones with functionAppConfig are 2023-12-01 and this
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": {"2024-04-01"},
}

# Source: learn.microsoft.com/azure/role-based-access-control/built-in-roles
ROLES = {
    "storageBlobDataContributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "storageTableDataContributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
    "serviceBusDataSender": "69a216fc-b8fb-44d8-bc22-1f3c2cd27a39",
    "serviceBusDataReceiver": "4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0",
    "keyVaultSecretsUser": "4633458b-17de-408a-b874-0445c86b69e6",
    "monitoringMetricsPublisher": "3913510d-42f4-4e42-8a64-420c390055eb",
}

# Source: the list of Bicep functions, learn.microsoft.com/azure/azure-resource-manager/bicep/bicep-functions
FUNCTIONS = {
    "empty",
    "environment",
    "guid",
    "newGuid",
    "replace",
    "resourceGroup",
    "subscription",
    "subscriptionResourceId",
    "take",
    "tenant",
    "toLower",
    "uniqueString",
    "utcNow",
}
DECORATORS = {"allowed", "description", "maxLength", "maxValue", "minLength", "minValue", "secure"}
