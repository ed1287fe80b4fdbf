"""Turn the daily insights of Meta Ads accounts into decisions on three levels: campaign > adset > ad."""
