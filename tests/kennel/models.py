"""The rows that the tests stream."""

from django.db import models


class Owner(models.Model):
    name = models.CharField(max_length=50)

    class Meta:
        app_label = "kennel"

    def __str__(self):
        return self.name


class Dog(models.Model):
    name = models.CharField(max_length=50)
    age = models.IntegerField(default=0)
    owner = models.ForeignKey(Owner, models.CASCADE, null=True)

    class Meta:
        app_label = "kennel"
        ordering = ["id"]

    def __str__(self):
        return self.name
