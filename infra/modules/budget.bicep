// Tells a person what this resource group costs, before the bill does. It stops nothing.

param name string
param alertEmail string
param monthlyBudget int

@description('The first day of a month, yyyy-MM-01. Azure refuses to change it later: canalis deploy hands over the one that is there.')
param budgetStart string

resource budget 'Microsoft.Consumption/budgets@2023-11-01' = {
  name: '${name}-budget'
  properties: {
    category: 'Cost'
    amount: monthlyBudget
    timeGrain: 'Monthly'
    timePeriod: {
      startDate: budgetStart
    }
    notifications: {
      actual80: {
        enabled: true
        operator: 'GreaterThanOrEqualTo'
        threshold: 80
        thresholdType: 'Actual'
        contactEmails: [
          alertEmail
        ]
      }
      forecast100: {
        enabled: true
        operator: 'GreaterThanOrEqualTo'
        threshold: 100
        thresholdType: 'Forecasted'
        contactEmails: [
          alertEmail
        ]
      }
    }
  }
}
