"""The dogs, and their breeds; and what the export exports."""

from django.db import models


class Breed(models.Model):
    name = models.CharField(max_length=50, unique=True)
    origin = models.CharField(max_length=50)

    def __str__(self) -> str:
        return self.name


class Dog(models.Model):
    chip = models.BigIntegerField(unique=True, help_text="ISO 11784: 15 digits")
    name = models.CharField(max_length=50)
    breed = models.ForeignKey(Breed, on_delete=models.PROTECT)
    born_on = models.DateField()
    weight_kg = models.FloatField(null=True, help_text="None: never weighed")
    is_vaccinated = models.BooleanField()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name


class Reading(models.Model):
    """What a weather station has measured: a small row, of which there are very many."""

    station = models.CharField(max_length=20)
    at = models.DateTimeField()
    celsius = models.FloatField()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.station}: {self.celsius} °C"
