"""The Ads Manager export as a source: CSV or XLSX, daily rows, English, Portuguese or Spanish."""

from ml_assets.sources.ads_manager.export import AdsManagerExport, Export, read_export

__all__ = ["AdsManagerExport", "Export", "read_export"]
